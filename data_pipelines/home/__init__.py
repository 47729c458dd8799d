"""A small procedural home: rooms, cameras with microphones, and people who live in it.

`script.write` turns (seed, subject, number) into what happens in one recording; pictures
(`film`), sound (`sounds`) and labels are functions of it, so that they agree on what
happened when and where. Its people are those of `data_pipelines.person`.
"""
