"""`rotor demo`: a LangChain chain that rotates over limited providers, to be watched.

command    its options, and what it needs before it can begin
load       who asks what, and when: seeded, pure
stage      the whole performance, in order
run        the chain, asked by many at once, and its engine
account    what came of it, counted; the summary
board      what goes on at this moment, for the live table
show       both as tables and lines
"""
