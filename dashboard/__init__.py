"""The panel: places a viewer can go, and the one gateway through which they look at an ensemble.

gateway/      the only room that looks below (ensemble.admin, ensemble.client): model, feeds, actions
places/       views: Ensemble, Tree, Sessions, Watches, Pipeline; dialogs and actions
consumers/    websockets: fragments for pages, JSON for the drawn stage
access/       who may come in: token, origin, content security policy, static files
audit.py      what was done through the panel, by whom and why
show.py       how ids, times and sizes are written (64-bit ids are strings everywhere)
values.py     a znode's bytes as JSON, text or hex
context.py    what every page needs for its frame
"""
