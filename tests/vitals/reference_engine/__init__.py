"""The alarm rules, one patient and one reading at a time, written to be read. `vitals.engine` must do exactly this.

Nothing here is fast, and no code but the rules' numbers is shared with the engine: a property test runs both over the
same readings. Texts are left out. `vitals.engine.rules.technical_alarms` has the rules of technical alarms.

**Terms.** A *condition* is what is wrong: it can be pending, hold, or be over. An *alarm* is what people were told of
it. They differ in two cases. History (a reading older than two minutes of log time) moves conditions and tells nobody;
the first live reading tells what then differs, so a patient still low after an outage alarms at once, and one who has
recovered never does. And a high alarm that nobody acknowledged outlives its condition: it is *latched*.
"""

from tests.vitals.reference_engine.engine import Oracle
from tests.vitals.reference_engine.patient_rules import judge_lost, judge_news2, judge_sensors
from tests.vitals.reference_engine.sign_rules import judge_sign
from tests.vitals.reference_engine.worsening import judge_worse

__all__ = ["Oracle", "judge_lost", "judge_news2", "judge_sensors", "judge_sign", "judge_worse"]
