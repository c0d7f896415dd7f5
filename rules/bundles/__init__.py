"""Generated unit tests, packed anew for promtool so that it has little to do.

The files of `rules/generated/` are for people: one for each group of rules, all its rules evaluated
in each test. promtool opens a database for each test group and evaluates every rule at every step,
which is most of what it does. So test groups of all files that cannot meet are made one, with a
file of the rules that they ask for and no others. What fails in a bundle is asked of the generated
files themselves, so that a bundle can only say yes.
"""
