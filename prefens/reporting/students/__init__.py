"""The part of the report on students: what was compared with a teacher, and the section that shows it."""
