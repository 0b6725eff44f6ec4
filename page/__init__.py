"""What the page is made of; `app.py` lays it out and wires it.

visit.py    what one browser session has open, and the course of a question
render.py   records -> escaped HTML
gallery.py  the six examples and their recordings; record.py makes them
loading.py  the model, loaded in the background
errors.py   what is told of an error
api.py      what programs and assistants call
uploads.py  files that are too large are refused before they are sent
theme.py    looks
"""
