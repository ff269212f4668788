"""What a run is made of.

tape   every random choice, in lanes; what was chosen can be played again, and made smaller
plan   who takes part, what they want, and how hard it is made for them
saved  all of it in a file, for any later version of the code
"""
