"""Learners grow what is learned from past windows; one file each, imported where something is learned only."""
