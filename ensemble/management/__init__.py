"""``manage.py``'s commands, which are thin: they parse arguments and call the rooms below.

commands   one module for each, of the same name
tools      what the commands for files share
"""
