"""A procedural person: one performance, seen by every modality consistently in time.

`perform` turns (seed, subject, action, trial) into a `Performance`: smooth joint
angles that can be evaluated at any times. Sensors, cameras and sounds are functions of
it, so that whatever is derived from one performance agrees on what happened when.
"""
