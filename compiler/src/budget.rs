//! One budget for a whole compilation: how much a file may ask for.
//!
//! A few bytes of a file can ask for any amount: a nested model that is called again and again, a name that all layers
//! inside carry on, a stride that multiplies a kernel. What a compilation takes must follow from what networks need, so
//! every place where something can grow takes it out of the one [`Budget`] that goes through reading, lowering, passes
//! and plan: the model that was read holds it, and so does its graph. A file of less than 1 MB then never takes more
//! than 500 MB or 10 seconds for each backend. [`Resource`] lists all limits with their reasons.
//!
//! Not here: the ranges of values of a layer's arguments, which stand where they are read, and what fits into the 32-bit
//! memory of a module, which bounds tensors and the arena.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Most {
    /// So much in each place.
    Each(u64),
    /// So much in the whole compilation.
    All(u64),
    /// So much in the whole compilation, and so many times the bytes of the files, up to a last bound.
    OfFile { least: u64, times: u64, most: u64 },
}

use Most::{All, Each, OfFile};

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;

/// Lists what is limited, once: its name, how much there is of it, what a message calls it, and why.
macro_rules! resources {
    ($($name:ident: $most:expr, $what:literal, $why:literal;)+) => {
        /// What is limited, and why as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Resource {
            $(#[doc = $why] $name),+
        }
        /// How much there is of each, and what a message calls it, in the order of [`Resource`].
        const LIMITS: &[(Most, &str)] = &[$(($most, $what)),+];
        /// All of them.
        const ALL: &[Resource] = &[$(Resource::$name),+];
    };
}

resources! {
    Members: Each(2_000), "the number of members of the archive",
        "Keras writes three members into an archive, and a few more for vocabularies.";
    Text: Each(32 * MB), "the size of {} in bytes",
        "The architecture of NASNetLarge has 1 MB, of a chain of 5,000 convolutions 10 MB.";
    Values: All(160 * MB), "the memory of the JSON values in bytes",
        "A value takes up to a hundred times the memory of its text. A convolution of Keras 3 takes 10 KB.";
    Unpacked: OfFile { least: 64 * MB, times: 16, most: 4096 * MB }, "the unpacked size of the weights in bytes",
        "Weights hardly shrink when packed, unless they are mostly zeros.";
    Weights: OfFile { least: 32 * MB, times: 16, most: 4096 * MB }, "the declared size of the weights in bytes",
        "HDF5 may leave out or pack what a dataset declares; the same dataset may be named again and again.";
    Fetched: OfFile { least: 64 * MB, times: 16, most: u64::MAX }, "the number of bytes fetched from the HDF5 file",
        "A damaged file makes its reader fetch the same place without end; a sound one is read about once.";
    Groups: All(100_000), "the number of groups of weights looked into",
        "There are a few for each layer. Groups may be linked to themselves, which makes a tree without end.";
    Links: Each(20_000), "the number of blocks that hold the links of a group",
        "libhdf5 puts eight links or more into a block. Blocks may lead to themselves.";
    Depth: Each(64), "the number of groups around a weight",
        "Keras nests groups as deep as Python objects hold each other, which is far less.";
    Layers: All(20_000), "the number of layers",
        "The largest networks of keras.applications have about 1,000. A model inside a wrapper counts at each call.";
    Path: Each(4 * KB), "the length of a layer's path in bytes",
        "Paths go into constants, nodes, steps and messages.";
    Names: All(16 * MB), "the length of all names of layers and nodes in bytes",
        "Each layer of a nested model carries the names of all models around it, and each of its nodes once more.";
    Calls: All(20_000), "the number of calls of layers",
        "A nested model is inlined where it is called, and so are the models in it: calls multiply.";
    Arguments: All(256 * MB), "the memory of the arguments read at all calls of layers in bytes",
        "A layer's config is read anew at each call, and a wrapper copies what it wraps.";
    Made: All(64 * MB), "the size of all constants that are not in the file in bytes",
        "Strides, repetitions and sizes turn few weights, or none, into large constants.";
    Constants: OfFile { least: 96 * MB, times: 32, most: u64::MAX }, "the size of all constants of the graph in bytes",
        "Passes scale and move weights, each time anew. Most weights are changed once or twice.";
    Scaled: All(50_000_000), "the number of channels for whose scales a place was looked for",
        "Few operations lie between a scale and its place. Where it is used up, scales stay where they are.";
    Nodes: All(100_000), "the number of nodes of the graph",
        "A layer becomes a few nodes, a recurrent one some fifty.";
    Rewrites: All(400_000), "the number of nodes that passes put in place of others",
        "A node is replaced a few times. What only moves values may go past many nodes, one at a time.";
    Sunk: All(20_000_000), "the number of nodes looked at to sink what only moves values",
        "Moves sink within a few looks at the whole graph. Where it is used up, they stay where they are.";
    Edges: All(1_000_000), "the number of inputs of nodes of the graph",
        "A thousand densely concatenated layers have half a million.";
    Rank: Each(64), "the number of axes of a tensor",
        "NumPy has no more than 64. Kernels nest a loop for each axis.";
    Tape: Each(4_096), "the number of instructions of a function of scalars",
        "Passes stop fusing far below; the code of a kernel repeats them for each register of its tile.";
    Parts: Each(10_000), "the number of groups of channels",
        "Each group of a convolution is computed by itself, with weights of its own. ResNeXt has 32.";
    Folded: All(50_000_000), "the number of elements computed while compiling",
        "The reference evaluation takes about 50 ns for each. Where it is used up, constants are left to run time.";
    Steps: All(200_000), "the number of kernel runs",
        "A layer takes a few, a grouped convolution one for each group, a join one for each part.";
    Packed: OfFile { least: 1024 * MB, times: 64, most: u64::MAX }, "the size of all weights as kernels read them in bytes",
        "Weights are arranged anew for each call of a layer.";
    Stored: OfFile { least: 96 * MB, times: 32, most: u64::MAX }, "the size of the weights of the bundle in bytes",
        "Weights that are arranged alike are stored once; kernels of different shapes may want different arrangements.";
    Kernels: Each(20_000), "the number of different kernels",
        "Layers of equal shape share one; the networks of keras.applications have at most 300.";
    Code: OfFile { least: 1_000_000, times: 1, most: 20_000_000 }, "the number of instructions of the module",
        "The networks of keras.applications have at most 100,000. A convolution of a shape of its own has a thousand.";
    Shaders: OfFile { least: 1_000_000, times: 1, most: 20_000_000 }, "the size of all shaders in bytes",
        "Layers share them whatever their extents, so that the networks of keras.applications have far less than 500,000.";
}

/// What to do about a file that asks for too much.
const REMEDY: &str = "no model for a browser is like this; look where the file comes from";

/// What a compilation has taken so far. Clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Counts>);

struct Counts {
    /// Bytes of the files that were opened.
    files: AtomicU64,
    taken: [AtomicU64; LIMITS.len()],
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Counts {
            files: AtomicU64::new(0),
            taken: [const { AtomicU64::new(0) }; LIMITS.len()],
        }))
    }
}

impl Budget {
    /// A budget of which nothing is taken.
    pub fn new() -> Self {
        Self::default()
    }

    /// One of which as much is taken, and that is taken from apart from this one.
    pub fn fork(&self) -> Self {
        let copy = |count: &AtomicU64| AtomicU64::new(count.load(Ordering::Relaxed));
        Self(Arc::new(Counts {
            files: copy(&self.0.files),
            taken: self.0.taken.each_ref().map(copy),
        }))
    }

    /// A file of so many bytes is opened: some limits follow from what is really there.
    pub fn open(&self, bytes: u64) {
        add(&self.0.files, bytes);
    }

    /// Takes `amount`; of a resource that is limited in each place, this is all of that place.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when there is not so much.
    pub fn take(&self, resource: Resource, amount: impl TryInto<u64>) -> Result<()> {
        self.take_for(resource, amount, "it")
    }

    /// The same with a name of what it is taken for, for the message.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when there is not so much.
    pub fn take_for(&self, resource: Resource, amount: impl TryInto<u64>, name: &str) -> Result<()> {
        let amount = amount.try_into().unwrap_or(u64::MAX);
        let (most, what) = LIMITS[resource as usize];
        let found = match most {
            Each(_) => amount,
            All(_) | OfFile { .. } => add(&self.0.taken[resource as usize], amount),
        };
        let limit = self.limit(resource);
        if found <= limit {
            return Ok(());
        }
        let what = what.replace("{}", name);
        Err(Error::new(ErrorKind::TooLarge { what, found, limit }).help(REMEDY))
    }

    /// Takes `amount` if there is so much, and says whether there was: for what can be left out.
    pub fn spare(&self, resource: Resource, amount: u64) -> bool {
        let taken = self.0.taken[resource as usize].load(Ordering::Relaxed);
        taken.saturating_add(amount) <= self.limit(resource) && self.take(resource, amount).is_ok()
    }

    /// The error that something is used up instead of what followed from that, at the same place: other readers pass on
    /// no more than a text.
    pub fn blame(&self, error: Error) -> Error {
        let over = ALL.iter().find_map(|&resource| self.take(resource, 0_u64).err());
        match over {
            Some(over) if !matches!(error.kind, ErrorKind::TooLarge { .. }) => Error {
                place: error.place,
                ..over
            },
            _ => error,
        }
    }

    /// Whether something was taken that there was not: from then on, work comes to an end.
    pub fn is_over(&self) -> bool {
        let over = |(taken, resource): (&AtomicU64, &Resource)| {
            taken.load(Ordering::Relaxed) > self.limit(*resource)
        };
        self.0.taken.iter().zip(ALL).any(over)
    }

    fn limit(&self, resource: Resource) -> u64 {
        match LIMITS[resource as usize].0 {
            Each(limit) | All(limit) => limit,
            OfFile { least, times, most } => {
                let files = self.0.files.load(Ordering::Relaxed);
                least.saturating_add(files.saturating_mul(times)).min(most)
            }
        }
    }
}

/// Adds without overflow; gives the sum.
fn add(count: &AtomicU64, amount: u64) -> u64 {
    let sum = |count: u64| Some(count.saturating_add(amount));
    let before = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    before.unwrap_or_else(|before| before).saturating_add(amount)
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budget")
    }
}

/// What was taken does not tell two models apart.
impl PartialEq for Budget {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_adds_up_and_ends() {
        let budget = Budget::new();
        assert_eq!(budget.take(Resource::Calls, 19_999), Ok(()));
        let fork = budget.fork();
        assert_eq!(budget.take(Resource::Calls, 1_u64), Ok(()));
        assert!(!budget.is_over());
        let error = budget.take(Resource::Calls, 2_u64).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the number of calls of layers is 20002, more than the limit of 20000; no model for a browser is like this; look where the file comes from"
        );
        assert!(budget.is_over());
        let followed = Error::malformed("nothing more to read").in_layer("r", "ReLU");
        assert_eq!(budget.blame(followed), error.in_layer("r", "ReLU"));
        assert!(!fork.is_over());
        assert_eq!(fork.take(Resource::Calls, 1_u64), Ok(()));
        assert!(fork.take(Resource::Calls, u64::MAX).is_err());
        assert!(fork.take(Resource::Calls, u64::MAX).is_err(), "no overflow");
    }

    #[test]
    fn what_is_limited_in_each_place_does_not_add_up() {
        let budget = Budget::new();
        for _ in 0..100 {
            assert_eq!(budget.take(Resource::Rank, 64), Ok(()));
        }
        assert!(budget.take(Resource::Rank, 65).is_err());
        assert!(!budget.is_over());
    }

    #[test]
    fn files_allow_for_what_is_in_them() {
        let budget = Budget::new();
        assert!(!budget.spare(Resource::Weights, 33 * MB));
        assert!(!budget.is_over(), "nothing was taken");
        budget.open(MB);
        assert!(budget.spare(Resource::Weights, 48 * MB));
        assert!(!budget.spare(Resource::Weights, 1));
        budget.open(u64::MAX);
        assert!(budget.spare(Resource::Weights, 4000 * MB));
        assert!(!budget.spare(Resource::Weights, 1000 * MB));
    }

    #[test]
    fn the_table_is_in_the_order_of_the_resources() {
        assert!(
            ALL.iter()
                .enumerate()
                .all(|(i, resource)| *resource as usize == i)
        );
        let (_, what) = LIMITS[Resource::Code as usize];
        assert!(what.contains("instructions of the module"));
    }
}
