"""A wave may be planned while the one before it is still asked."""

from alembic import op

revision = "assessment_0004"
down_revision = "assessment_0003"

OVERLAP = """
ALTER TABLE assessment.batch ADD COLUMN overlap integer NOT NULL DEFAULT 0;
ALTER TABLE assessment.batch ADD CONSTRAINT overlap_within_sent CHECK (overlap BETWEEN 0 AND sent);
GRANT UPDATE (overlap) ON assessment.batch TO pairmark_assessment;
"""


def upgrade() -> None:
    """Add how many comparisons may be open when the next wave is planned; none where nothing is said."""
    op.execute(OVERLAP)
