//! Circles in a graph: groups of files that all lead to one another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::imports::Graph;

/// The circles of a graph, each as its files in order.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<PathBuf>> {
    let reached: Vec<(&PathBuf, BTreeSet<&Path>)> =
        graph.keys().map(|file| (file, reachable(graph, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, own) in &reached {
        let mutual = reached
            .iter()
            .filter(|(other, theirs)| own.contains(other.as_path()) && theirs.contains(file.as_path()));
        let circle: Vec<PathBuf> = mutual.map(|(other, _)| (*other).clone()).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Every file that `start` leads to.
fn reachable<'g>(graph: &'g Graph, start: &Path) -> BTreeSet<&'g Path> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for next in &graph[file] {
            if found.insert(next.as_path()) {
                open.push(next);
            }
        }
    }
    found
}
