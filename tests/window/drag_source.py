"""A small window at the screen's lower right that offers files as a native drag source.

Needs Debian's python3-gi and gir1.2-gtk-3.0. Usage: drag_source.py FILE_OR_FOLDER...
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

uris = [Path(path).resolve().as_uri() for path in sys.argv[1:]]
window = Gtk.Window(title="drag source")
window.set_default_size(160, 90)
window.move(1400, 880)
box = Gtk.EventBox()
box.add(Gtk.Label(label="drag me"))
box.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [Gtk.TargetEntry.new("text/uri-list", 0, 0)], Gdk.DragAction.COPY)
box.connect("drag-data-get", lambda _widget, _context, data, _info, _time: data.set_uris(uris))
window.add(box)
window.connect("destroy", Gtk.main_quit)
window.show_all()
Gtk.main()
