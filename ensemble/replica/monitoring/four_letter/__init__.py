"""The four-letter words of monitoring, and the texts they are answered with.

    words         which word is answered when, and all that is told of the server as a whole
    connections   what is told of one connection
    texts         lists that end somewhere, and dates

The texts are Apache's, line for line where scripts and exporters read them (C/*Command.java).
"""
