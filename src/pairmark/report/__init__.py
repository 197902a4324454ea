"""An `AssessmentResult` as page, tables, JSON and terminal text.

Rendering shows what stands in the result; statistics are never computed here.
"""
