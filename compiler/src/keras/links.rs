//! The links of HDF5's groups, soft and external ones too, which the HDF5 reader passes over or stumbles over.
//!
//! A group keeps its links in one of three ways: in a tree of symbol tables with a heap of names, which is what
//! libhdf5 writes unless told otherwise; as messages of its header; or, when there are many, as messages in a heap of
//! blocks. Which of them, its header says.

use super::blocks::{Blocks, Fields};
use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use hdf5_pure::{Source, Superblock};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// To the object whose header is there.
    Hard(u64),
    /// To a path in the same file, from the root if it starts with `/`, else from the group that holds the link.
    Soft(String),
    /// To an object in another file.
    External(String),
}

/// Most bytes of a name among the messages of a heap, which are told apart by trying to read them at every byte.
const MAX_NAME: u64 = 4 << 10;

/// Reads the links of a file.
pub(super) struct Links {
    blocks: Blocks,
    root: u64,
    budget: Budget,
}

/// Messages of an object's header.
struct Message {
    kind: u16,
    data: Vec<u8>,
}

/// Kinds of messages.
const LINK_INFO: u16 = 0x02;
const LINK: u16 = 0x06;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;

impl Links {
    /// Of the file in `source` with this superblock.
    pub(super) fn new(source: Box<dyn Source>, superblock: &Superblock, budget: &Budget) -> Self {
        let widths = [superblock.offset_size, superblock.length_size].map(usize::from);
        Self {
            blocks: Blocks::new(source, superblock.base_address.get(), widths),
            root: superblock.root_group_address,
            budget: budget.clone(),
        }
    }
    /// Where the header of the root group is.
    pub(super) fn root(&self) -> u64 {
        self.root
    }

    /// The links of the group whose header is there; none for other objects.
    pub(super) fn of(&self, header: u64) -> Result<Vec<(String, Link)>> {
        let mut blocks = 0;
        let mut found = Vec::new();
        for Message { kind, data } in self.messages(header, &mut blocks)? {
            let mut fields = self.blocks.fields(&data);
            match kind {
                LINK => {
                    if let Some(link) = message(&mut fields) {
                        self.find(link, &mut found)?;
                    }
                }
                LINK_INFO => found.extend(self.heap(&mut fields, &mut blocks)?),
                SYMBOL_TABLE => {
                    let (tree, names) = (fields.offset()?, fields.offset()?);
                    let names = self.names(names)?;
                    self.symbols(tree, &names, &mut found, &mut blocks)?;
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Counts a block of the links of a group.
    fn spend(&self, count: &mut usize) -> Result<()> {
        *count += 1;
        self.budget.take(Resource::Links, *count)
    }

    /// Keeps a link. Entries of symbol tables may share one long name.
    fn find(&self, link: (String, Link), found: &mut Vec<(String, Link)>) -> Result<()> {
        let target = match &link.1 {
            Link::Hard(_) => 0,
            Link::Soft(text) | Link::External(text) => text.len(),
        };
        self.budget.take(Resource::Names, link.0.len() + target)?;
        found.push(link);
        Ok(())
    }

    fn messages(&self, header: u64, count: &mut usize) -> Result<Vec<Message>> {
        let start = self.blocks.read(header, 16)?;
        let mut found = Vec::new();
        let second = start.starts_with(b"OHDR");
        let mut waiting = if second {
            let flags = start.get(5).copied().unwrap_or_default();
            let times = if flags & 0x20 != 0 { 16 } else { 0 };
            let phases = if flags & 0x10 != 0 { 4 } else { 0 };
            let width = 1usize << (flags & 3);
            let at = header.saturating_add(6 + times + phases);
            let size = self.blocks.fields(&self.blocks.read(at, width)?).uint(width)?;
            vec![(at.saturating_add(width as u64), size)]
        } else {
            let size = self.blocks.fields(start.get(8..).unwrap_or_default()).uint(4)?;
            vec![(header.saturating_add(16), size)]
        };
        let ordered = second && start.get(5).is_some_and(|flags| flags & 0x04 != 0);
        while let Some((at, size)) = waiting.pop() {
            self.spend(count)?;
            let block = self.blocks.read(at, size_of(size)?)?;
            let mut fields = self.blocks.fields(&block);
            loop {
                let (prefix, kind_width) = if second {
                    (4 + 2 * usize::from(ordered), 1)
                } else {
                    (8, 2)
                };
                if fields.rest() < prefix {
                    break;
                }
                let kind = fields.uint(kind_width)? as u16;
                let length = fields.uint(2)?;
                fields.skip(prefix - kind_width - 2)?;
                let data = fields.take(size_of(length)?)?.to_vec();
                if kind == CONTINUATION {
                    let mut fields = self.blocks.fields(&data);
                    let (at, size) = (fields.offset()?, fields.length()?);
                    // Later blocks of newer headers have a signature in front and a checksum behind.
                    waiting.push(match second {
                        true => (at.saturating_add(4), size.saturating_sub(8)),
                        false => (at, size),
                    });
                } else {
                    found.push(Message { kind, data });
                }
            }
        }
        Ok(found)
    }

    /// The names of a group that has a symbol table.
    fn names(&self, at: u64) -> Result<Vec<u8>> {
        let [offset, length] = self.blocks.widths();
        let head = self.blocks.signed(at, b"HEAP", 8 + 2 * length + offset)?;
        let mut fields = self.blocks.fields(&head);
        fields.skip(8)?;
        let size = fields.length()?;
        fields.length()?;
        self.blocks.read(fields.offset()?, size_of(size)?)
    }

    /// The entries of the symbol tables below a node of a tree.
    fn symbols(
        &self,
        tree: u64,
        names: &[u8],
        found: &mut Vec<(String, Link)>,
        visited: &mut usize,
    ) -> Result<()> {
        let [offset, length] = self.blocks.widths();
        let mut waiting = vec![tree];
        while let Some(at) = waiting.pop() {
            self.spend(visited)?;
            let head = self.blocks.read(at, 8)?;
            let count = self.blocks.fields(head.get(6..).unwrap_or_default()).uint(2)?;
            let count = size_of(count)?;
            if head.starts_with(b"TREE") {
                let block = self
                    .blocks
                    .read(at, 8 + 2 * offset + count * (offset + length) + length)?;
                let mut fields = self.blocks.fields(&block);
                fields.skip(8 + 2 * offset)?;
                let mut children = Vec::with_capacity(count);
                for _ in 0..count {
                    fields.length()?;
                    children.push(fields.offset()?);
                }
                waiting.extend(children.into_iter().rev());
            } else {
                let block = self.blocks.signed(at, b"SNOD", 8 + count * (2 * offset + 24))?;
                let mut fields = self.blocks.fields(&block);
                fields.skip(8)?;
                for _ in 0..count {
                    let (name, header, kind) = (fields.offset()?, fields.offset()?, fields.uint(4)?);
                    fields.skip(4)?;
                    let target = fields.uint(4)?;
                    fields.skip(12)?;
                    let link = match kind {
                        2 => Link::Soft(text(names, target)?),
                        _ => Link::Hard(header),
                    };
                    self.find((text(names, name)?, link), found)?;
                }
            }
        }
        Ok(())
    }

    /// The links in a heap, which a message about the links of a group names if there are so many.
    fn heap(&self, info: &mut Fields<'_>, visited: &mut usize) -> Result<Vec<(String, Link)>> {
        let flags = info.skip(1).and_then(|()| info.uint(1))?;
        info.skip(if flags & 1 != 0 { 8 } else { 0 })?;
        let Some(heap) = info.defined()? else {
            return Ok(Vec::new());
        };
        let (count, blocks) = self.blocks.heap(heap)?;
        let mut found = Vec::new();
        for block in blocks {
            self.spend(visited)?;
            let block = self.blocks.read(block.at, block.size)?;
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let mut fields = self.blocks.fields(rest);
                match message(&mut fields) {
                    Some(link) => {
                        self.find(link, &mut found)?;
                        rest = rest.get(rest.len() - fields.rest()..).unwrap_or_default();
                    }
                    None => rest = rest.get(1..).unwrap_or_default(),
                }
            }
        }
        // What was deleted stays in the heap.
        if found.len() as u64 == count {
            Ok(found)
        } else {
            Err(
                Error::malformed("some links of a large group cannot be told from deleted ones")
                    .help("copy the file with h5repack, or save the model again"),
            )
        }
    }
}

/// Reads a link message; `None` if the bytes are none.
fn message(fields: &mut Fields<'_>) -> Option<(String, Link)> {
    let [1, flags] = *fields.take(2).ok()? else {
        return None;
    };
    if flags & 0b1110_0000 != 0 {
        return None;
    }
    let kind = if flags & 0b1000 != 0 {
        fields.uint(1).ok()?
    } else {
        0
    };
    let order = if flags & 0b100 != 0 { 8 } else { 0 };
    let charset = usize::from(flags & 0b1_0000 != 0);
    fields.skip(order + charset).ok()?;
    let length = fields
        .uint(1 << (flags & 0b11))
        .ok()
        .filter(|length| *length <= MAX_NAME)?;
    let name = std::str::from_utf8(fields.take(size_of(length).ok()?).ok()?).ok()?;
    if name.is_empty() || name.contains(['/', '\0']) {
        return None;
    }
    let link = match kind {
        0 => Link::Hard(fields.offset().ok()?),
        1 => {
            let length = fields.uint(2).ok()?;
            let path = std::str::from_utf8(fields.take(size_of(length).ok()?).ok()?).ok()?;
            Link::Soft(path.to_owned())
        }
        64 => {
            let length = fields.uint(2).ok()?;
            // A byte for the version, the file's name and the path of the object, each with a NUL behind it.
            let [0, value @ ..] = fields.take(size_of(length).ok()?).ok()? else {
                return None;
            };
            let file = value.split(|byte| *byte == 0).next()?;
            Link::External(String::from_utf8_lossy(file).into_owned())
        }
        _ => return None,
    };
    Some((name.to_owned(), link))
}

/// The text that ends with a NUL.
fn text(bytes: &[u8], start: u64) -> Result<String> {
    let rest = bytes.get(size_of(start)?..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0);
    let text = end.and_then(|end| std::str::from_utf8(rest.get(..end)?).ok());
    text.map(str::to_owned)
        .ok_or_else(|| Error::malformed("HDF5: a name in a group is damaged"))
}

fn size_of(number: u64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::malformed("HDF5: a size in a group is too large"))
}
