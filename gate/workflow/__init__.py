"""What each verb does, from start to end: the rooms wired together.

In: a typed request.  Out: values (an analysis, a verdict, what was recorded).  It must never
print, and never decide what a room can decide.
"""
