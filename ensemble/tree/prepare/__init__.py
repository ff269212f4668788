"""What only a leader does with the tree: a request becomes a transaction, or a refusal.

prepare  request by request
pending  the state to come, that requests are judged against
multi    what the parts of a multi amount to
warden   what becomes of a write beyond a quota
weights  how many bytes a transaction takes
"""
