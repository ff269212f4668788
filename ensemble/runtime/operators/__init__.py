"""What operators and their monitoring ask of one server.

ports            the sockets at the start, what answers on them a little later
admin_http       our own admin port, on loopback, for bearers of the token;  admin_stream  its live stream
admin_server     Apache's AdminServer, and the metrics
restoring        a snapshot that the AdminServer was sent
environment      what ``envi`` tells of the machine
process_figures  what the operating system counts of the process
audit_file       where audit lines go
http_log         the log of the HTTP ports, without what strangers send
"""
