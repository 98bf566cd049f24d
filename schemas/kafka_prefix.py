"""Edge: what stands before every name of ours in Kafka: of topics, groups, members and transactional ids.

It is read once, when a program starts, so that names stay constants; `Settings` refuses one of a wrong form.
"""

import os
from typing import Final

PREFIX_VARIABLE: Final = "SMSGW_KAFKA_PREFIX"
KAFKA_PREFIX: Final = os.environ.get(PREFIX_VARIABLE, "")
