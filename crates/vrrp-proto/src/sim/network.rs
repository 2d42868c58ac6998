//! Links between nodes: who hears whom, and when that last changed.

use alloc::vec;
use alloc::vec::Vec;

/// The links of a simulation, each a complete graph of directed paths between nodes.
#[derive(Clone, Debug)]
pub(super) struct Network {
    nodes: usize,
    paths: Vec<Path>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Path {
    cut: bool,
    /// When a packet was last lost on it, or it was cut or healed.
    disturbed: u64,
}

impl Network {
    pub(super) fn new(nodes: usize, links: usize) -> Self {
        Self {
            nodes,
            paths: vec![Path::default(); nodes * nodes * links],
        }
    }

    fn path(&mut self, link: usize, from: usize, to: usize) -> Option<&mut Path> {
        let index = (link * self.nodes + from) * self.nodes + to;
        self.paths.get_mut(index)
    }

    pub(super) fn is_cut(&self, link: usize, from: usize, to: usize) -> bool {
        let index = (link * self.nodes + from) * self.nodes + to;
        self.paths.get(index).is_none_or(|path| path.cut)
    }

    /// When the path was last not as it should be.
    pub(super) fn disturbed(&self, link: usize, from: usize, to: usize) -> u64 {
        let index = (link * self.nodes + from) * self.nodes + to;
        self.paths.get(index).map_or(0, |path| path.disturbed)
    }

    pub(super) fn note_loss(&mut self, now: u64, link: usize, from: usize, to: usize) {
        if let Some(path) = self.path(link, from, to) {
            path.disturbed = now;
        }
    }

    pub(super) fn cut(&mut self, now: u64, link: usize, from: usize, to: usize) {
        if let Some(path) = self.path(link, from, to) {
            path.cut = true;
            path.disturbed = now;
        }
    }

    pub(super) fn partition(&mut self, now: u64, link: usize, side: u32) {
        let inside = |node: usize| side & (1 << node) != 0;
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                if inside(from) != inside(to) {
                    self.cut(now, link, from, to);
                }
            }
        }
    }

    pub(super) fn heal(&mut self, now: u64, link: usize) {
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                if let Some(path) = self.path(link, from, to)
                    && path.cut
                {
                    path.cut = false;
                    path.disturbed = now;
                }
            }
        }
    }
}
