"""A runner whose title and summary are markup, as a plug-in's may be."""

from bench.runners.entry import RunnerEntry

NASTY = RunnerEntry(
    "nasty",
    '<script>alert("x")</script> & <b>é</b>',
    "Tabular Machine Learning",
    "tests.support.runners:Noise",
    "</section> \"quoted\" 'too'",
    uses_view=False,
)
