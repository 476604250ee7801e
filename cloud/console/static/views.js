// The views of the page: routes and the head's menu come from this list. A new view is one entry here and one module.
//
// path   first part of its address: `#/path/NAME`
// name   its word in the menu; a view without one is reached from another view
// of     meaning of NAME: "ward", "bed" (WARD/BED), "patient" or "site"
// may    (context, ward) → whether the menu shows it; without it everybody of the ward has it
// load   → its class, loaded when it is opened: `new Screen(main, context, NAME)`, then `close()`
export const VIEWS = [
  { path: "ward", of: "ward", load: async () => (await import("./ward.js")).WardScreen },
  { path: "patient", of: "patient", load: async () => (await import("./patient.js")).PatientScreen },
  { path: "bed", of: "bed", load: async () => (await import("./bed.js")).BedScreen },
  { path: "advice", of: "patient", load: async () => (await import("./advice.js")).AdviceScreen },
  { path: "round", name: "Observations", of: "ward", load: async () => (await import("./round.js")).RoundScreen },
  { path: "admit", name: "Admit a patient", of: "ward", may: (context, ward) => context.isNurse(ward), load: async () => (await import("./admission.js")).AdmissionScreen },
  { path: "roster", name: "Roster file", of: "ward", may: (context, ward) => context.isNurse(ward), load: async () => (await import("./roster.js")).RosterScreen },
  { path: "beds", name: "Beds", of: "ward", load: async () => (await import("./beds.js")).BedsScreen },
  { path: "rota", name: "Rota", of: "ward", load: async () => (await import("./rota.js")).RotaScreen },
  { path: "print", name: "Printouts", of: "ward", load: async () => (await import("./printing.js")).PrintScreen },
  { path: "contacts", name: "Contacts", of: "site", may: (context) => context.me.wards.some(({ role }) => role === "admin"), load: async () => (await import("./contacts.js")).ContactsScreen },
  { path: "system", name: "System", of: "site", may: (context) => context.me.admin, load: async () => (await import("./system.js")).SystemScreen },
  { path: "audit", name: "Audit log", of: "site", may: (context) => context.me.admin, load: async () => (await import("./audit.js")).AuditScreen },
  { path: "admin", name: "Users", of: "site", may: (context) => context.me.admin, load: async () => (await import("./admin.js")).AdminScreen },
];

export const address = (view, name) => (view.of === "site" ? `#/${view.path}` : `#/${view.path}/${encodeURIComponent(name)}`);

// Entries of the menu for a person on a ward.
export const inMenu = (context, ward) => VIEWS.filter((view) => view.name && (view.of === "site" || ward) && (view.may?.(context, ward) ?? true));
