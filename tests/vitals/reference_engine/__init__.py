"""A second, simple implementation of the alarm rules, one patient and one reading at a time.

A property test runs it and `vitals.engine` over the same readings; both must emit the same events. The rules and their
terms are described in `vitals.engine.rules`. No code is shared with the engine except the rules' numbers. Texts of
alarms and technical alarms are not implemented here.
"""

from tests.vitals.reference_engine.engine import Oracle
from tests.vitals.reference_engine.patient_rules import judge_lost, judge_news2, judge_sensors
from tests.vitals.reference_engine.sign_rules import judge_sign
from tests.vitals.reference_engine.worsening import judge_worse

__all__ = ["Oracle", "judge_lost", "judge_news2", "judge_sensors", "judge_sign", "judge_worse"]
