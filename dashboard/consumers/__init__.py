"""Websockets: ``/ws/place/<key>/`` pushes HTML fragments, ``/ws/stage/`` JSON for what is drawn.

guard.py    who may connect, and how much a viewer may say
stage.py    frames of the gateway, passed on
place.py    one page's fragments, sent when they changed
live.py     what each place shows live
"""
