//! What every function of a module for threads may need of its thread.

use walrus::GlobalId;

/// The globals of a thread's instance, and what is divided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Team {
    /// How many threads there are.
    pub threads: GlobalId,
    /// The address of its own scratch memory; zero for the leader, which uses the plan's.
    pub scratch: GlobalId,
    /// How often it looks at the gate before it goes to sleep. Twice as often after a look that found what it waited for,
    /// a quarter as often after none did: those who share a core never see each other come, and take it from each other
    /// while they look.
    pub looks: GlobalId,
    /// See [`Threading::Multi`](super::Threading::Multi).
    pub worth: u64,
}
