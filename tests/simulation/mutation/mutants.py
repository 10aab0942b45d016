"""The faults that were mended, each as a small change of the present code that puts it back.

Each is looked for in the code as it stands: what is not there any more ends the run, so that the
change is made anew for the new code.
"""

from __future__ import annotations

from simulation.mutation import fenced_wrongly, forgotten, running_twice

MUTANTS = (*running_twice.MUTANTS, *fenced_wrongly.MUTANTS, *forgotten.MUTANTS)
