"""A shell with the commands of zkCli, on the asyncio client: for our servers and Apache's.

    shell       one line after the other: history, watches that fired, the session they belong to
    line        a typed line as words; registry: every command, its options and its help
    reading     writing     watching     access     quotas     members     session      the commands
    formats     stats, access lists, data, as zkCli prints them; refusals: what a code means in words
    terminal    the prompt: completion of commands and paths, colours, history over sessions

What zkCli prints on standard error (``Created /x``, refusals) goes there here, too, so scripts find the same.
"""
