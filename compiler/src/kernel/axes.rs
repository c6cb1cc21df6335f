//! Axes that several walks take together.

/// An axis: its extent, and the distance between its elements for each of the walks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WalkedAxis {
    pub extent: usize,
    pub strides: Vec<isize>,
}

impl WalkedAxis {
    /// Whether all walks go on from the last element of `inner` to the next of this axis as inside `inner`.
    fn continues(&self, inner: &Self) -> bool {
        let pairs = self.strides.iter().zip(&inner.strides);
        pairs
            .into_iter()
            .all(|(&outer, &stride)| outer == stride * inner.extent as isize)
    }
}

/// Whether the innermost axis may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Innermost {
    /// It stays, whatever its extent.
    Stays,
    /// It goes if its extent is 1 and another axis stays.
    MayGo,
}

/// Merges axes, outermost first, that are walked as one, and drops axes of extent 1.
pub(super) fn merge(axes: &mut Vec<WalkedAxis>, innermost: Innermost) {
    let mut at = 0;
    while at < axes.len() && axes.len() > 1 {
        let is_last = at + 1 == axes.len();
        if !is_last && axes[at].continues(&axes[at + 1]) {
            axes[at + 1].extent *= axes[at].extent;
            axes.remove(at);
        } else if axes[at].extent == 1 && (!is_last || innermost == Innermost::MayGo) {
            axes.remove(at);
        } else {
            at += 1;
        }
    }
}

/// The extents, and the strides of each walk.
pub(super) fn columns(axes: &[WalkedAxis], walks: usize) -> (Vec<usize>, Vec<Vec<isize>>) {
    let strides = |walk: usize| axes.iter().map(|axis| axis.strides[walk]).collect();
    (
        axes.iter().map(|axis| axis.extent).collect(),
        (0..walks).map(strides).collect(),
    )
}

/// Axes from the extents and the strides of each walk.
pub(super) fn rows(extents: &[usize], walks: &[&[isize]]) -> Vec<WalkedAxis> {
    let axis = |(at, &extent): (usize, &usize)| WalkedAxis {
        extent,
        strides: walks.iter().map(|walk| walk[at]).collect(),
    };
    extents.iter().enumerate().map(axis).collect()
}

/// Strides as signed numbers.
pub(super) fn signed(strides: &[usize]) -> Vec<isize> {
    strides.iter().map(|&stride| stride as isize).collect()
}

/// Strides of a walk that never goes backwards.
pub(super) fn unsigned(strides: &[isize]) -> Vec<usize> {
    strides.iter().map(|&stride| stride as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(extents: &[usize], strides: &[isize], innermost: Innermost) -> (Vec<usize>, Vec<isize>) {
        let mut axes = rows(extents, &[strides]);
        merge(&mut axes, innermost);
        let (extents, mut strides) = columns(&axes, 1);
        (extents, strides.remove(0))
    }

    #[test]
    fn axes_without_a_gap_become_one() {
        let all = merged(&[2, 3, 4], &[12, 4, 1], Innermost::Stays);
        assert_eq!(all, (vec![24], vec![1]));
        let gap = merged(&[2, 3, 4], &[20, 4, 1], Innermost::Stays);
        assert_eq!(gap, (vec![2, 12], vec![20, 1]));
    }

    #[test]
    fn axes_of_one_element_go() {
        assert_eq!(merged(&[1, 5, 1, 4], &[9, 8, 7, 1], Innermost::Stays).0, [5, 4]);
        assert_eq!(merged(&[5, 1], &[8, 3], Innermost::Stays).0, [5, 1]);
        assert_eq!(merged(&[5, 1], &[8, 3], Innermost::MayGo).0, [5]);
        assert_eq!(merged(&[1, 1], &[8, 3], Innermost::MayGo).0, [1]);
    }
}
