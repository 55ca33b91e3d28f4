"""Proofs about the gateware: ``python -m tests.formal`` lists and runs them.

A proof is a `Spec`, a component beside the design which says what is claimed of it, with a
`Mutation` of the design that must break the claim. `catalog.PROOFS` holds all of them.
"""
