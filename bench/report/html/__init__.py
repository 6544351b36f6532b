"""`bench report --html`: one self-contained page of all that a store holds, made with the standard library alone."""
