"""Whether conclusions are right as often as they say, one figure a call: ``--help`` lists them."""

import sys
from functools import partial

from fbgd.studies import calibration, command

main = partial(command.main, calibration.STUDIES, about=calibration.__doc__)

if __name__ == "__main__":
    sys.exit(main())
