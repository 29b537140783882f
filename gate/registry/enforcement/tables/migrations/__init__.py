"""Alembic's folder: ``env`` runs the files of ``versions``, in their order.

A version that was released is never edited again; a change of the tables is a new one.
"""
