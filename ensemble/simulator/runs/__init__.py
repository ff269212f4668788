"""Many runs, and what came of them.

report  what one seed came to, in words
runner  many seeds on several processes
shrink  a failing schedule made small
ledger  which runs were recorded, and of which code
"""
