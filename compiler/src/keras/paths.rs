//! Paths through an HDF5 file with soft links.

use super::links::{Link, Links};
use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use hdf5_pure::{Source, Superblock};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Most soft links on the way to one object; more lead in a circle.
const MAX_FOLLOWED: usize = 32;

/// Most links that are remembered.
const MAX_REMEMBERED: usize = 200_000;

type Group = Rc<BTreeMap<String, Link>>;

/// The links of a file, read where something is asked about them.
pub(super) struct Paths {
    links: Links,
    budget: Budget,
    /// By the address of the group's header.
    groups: RefCell<HashMap<u64, Group>>,
    remembered: RefCell<usize>,
}

impl Paths {
    /// Of the file in `source` with this superblock.
    pub(super) fn new(source: Box<dyn Source>, superblock: &Superblock, budget: &Budget) -> Self {
        Self {
            links: Links::new(source, superblock, budget),
            budget: budget.clone(),
            groups: RefCell::default(),
            remembered: RefCell::default(),
        }
    }

    /// The path without soft links of what a soft link in a group leads to; `None` if there is no such link.
    pub(super) fn target(&self, group: &str, name: &str) -> Result<Option<String>> {
        let Some((group, address)) = self.walk(group, &mut 0)? else {
            return Ok(None);
        };
        match self.group(address)?.get(name) {
            None | Some(Link::Hard(_)) => Ok(None),
            Some(Link::External(file)) => Err(leads_out(name, file)),
            Some(Link::Soft(path)) => {
                let target = self.walk(&from(&group, path), &mut 1)?;
                target
                    .map(|(target, _)| Some(target))
                    .ok_or_else(|| dangling(name, path))
            }
        }
    }

    /// All names in a group, if soft or external links are among them.
    pub(super) fn names_if_linked(&self, group: &str) -> Result<Option<Vec<String>>> {
        // What these links say comes on top of what the reader sees, which tells of damage by itself.
        let Ok(Some((_, address))) = self.walk(group, &mut 0) else {
            return Ok(None);
        };
        let Ok(links) = self.group(address) else {
            return Ok(None);
        };
        let hard = |link: &Link| matches!(link, Link::Hard(_));
        Ok((!links.values().all(hard)).then(|| links.keys().cloned().collect()))
    }

    /// The path without soft links and the address of what is at a path; `None` if there is nothing.
    fn walk(&self, path: &str, followed: &mut usize) -> Result<Option<(String, u64)>> {
        self.budget.take(Resource::Depth, path.split('/').count())?;
        let (mut real, mut address) = (String::new(), self.links.root());
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            match self.group(address)?.get(name) {
                None => return Ok(None),
                Some(Link::Hard(header)) => {
                    real = from(&real, name);
                    address = *header;
                }
                Some(Link::External(file)) => return Err(leads_out(name, file)),
                Some(Link::Soft(target)) => {
                    *followed += 1;
                    if *followed > MAX_FOLLOWED {
                        return Err(Error::malformed(format!("the link {name:?} leads in a circle")));
                    }
                    let found = self.walk(&from(&real, target), followed)?;
                    (real, address) = found.ok_or_else(|| dangling(name, target))?;
                }
            }
        }
        Ok(Some((real, address)))
    }

    fn group(&self, address: u64) -> Result<Group> {
        if let Some(known) = self.groups.borrow().get(&address) {
            return Ok(Rc::clone(known));
        }
        let links: Group = Rc::new(self.links.of(address)?.into_iter().collect());
        let mut remembered = self.remembered.borrow_mut();
        if *remembered > MAX_REMEMBERED {
            self.groups.borrow_mut().clear();
            *remembered = 0;
        }
        *remembered += links.len() + 1;
        self.groups.borrow_mut().insert(address, Rc::clone(&links));
        Ok(links)
    }
}

/// A path that is meant from a group, or from the root.
fn from(group: &str, path: &str) -> String {
    match path.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None if group.is_empty() => path.to_owned(),
        None => format!("{group}/{path}"),
    }
}

fn leads_out(name: &str, file: &str) -> Error {
    Error::malformed(format!("{name:?} is a link into another file, {file:?}"))
        .help("links out of a file are not followed; save the model into one file")
}

fn dangling(name: &str, target: &str) -> Error {
    Error::malformed(format!(
        "{name:?} is a link to {target:?}, where there is nothing"
    ))
}
