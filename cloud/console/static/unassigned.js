// Beds that no nurse has: their alarms call everybody who is on duty first.

export function unassigned({ everybodys, beds }) {
  if (!beds.length) return "";
  if (!everybodys.length) return "Each bed has a nurse.";
  const all = everybodys.length === beds.length;
  return all ? "No bed is assigned: alarms of each bed go to all who are on duty first." : `Not assigned: ${everybodys.join(", ")}. Their alarms go to all who are on duty first.`;
}
