//! Packing buffers into arenas, greedy by size: the largest buffer first, each at the lowest address where it meets no buffer that is
//! alive at the same time (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).

/// First and last step at which a buffer is alive.
pub(super) type Lifetime = Option<(usize, usize)>;

/// Offsets of all buffers in their arenas, and the bytes of each arena.
pub(super) fn pack_all(sizes: &[usize], lifetimes: &[Lifetime], homes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let count = homes.iter().max().map_or(1, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    for (buffer, &home) in homes.iter().enumerate() {
        members[home].push(buffer);
    }
    let mut offsets = vec![0; sizes.len()];
    let arenas = members.iter().map(|members| {
        let own: Vec<usize> = members.iter().map(|&buffer| sizes[buffer]).collect();
        let lives: Vec<Lifetime> = members.iter().map(|&buffer| lifetimes[buffer]).collect();
        let (placed, bytes) = pack(&own, &lives);
        for (&buffer, offset) in members.iter().zip(placed) {
            offsets[buffer] = offset;
        }
        bytes
    });
    let arenas = arenas.collect();
    (offsets, arenas)
}

/// The most bytes that are alive at one of so many steps.
pub(super) fn most_alive(sizes: &[usize], lifetimes: &[Lifetime], steps: usize) -> usize {
    let mut born = vec![0; steps + 1];
    let mut died = vec![0; steps + 1];
    for (size, life) in sizes.iter().zip(lifetimes) {
        let &Some((first, last)) = life else { continue };
        born[first] += size;
        died[last] += size;
    }
    let mut now = 0;
    let mut most = 0;
    for step in 0..steps {
        now += born[step];
        most = most.max(now);
        now -= died[step];
    }
    most
}

/// Offsets of all buffers that have a lifetime of their own, and the bytes they need together.
fn pack(sizes: &[usize], lifetimes: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..sizes.len()).filter(|&i| lifetimes[i].is_some()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), lifetimes[i], i));
    let mut offsets = vec![0; sizes.len()];
    let mut placed: Vec<Placed> = Vec::with_capacity(order.len());
    let mut total = 0;
    for &i in &order {
        let Some((first, last)) = lifetimes[i] else {
            continue;
        };
        let mut at = 0;
        for other in &placed {
            if other.first <= last && first <= other.last {
                if at + sizes[i] <= other.from {
                    break;
                }
                at = at.max(other.to);
            }
        }
        offsets[i] = at;
        total = total.max(at + sizes[i]);
        let next = Placed {
            from: at,
            to: at + sizes[i],
            first,
            last,
        };
        let behind = placed.partition_point(|other| (other.from, other.to) < (next.from, next.to));
        placed.insert(behind, next);
    }
    (offsets, total)
}

/// A buffer with its addresses and its lifetime. They are kept in the order of addresses: the list is walked for every
/// buffer, which is fast enough as long as nothing is looked up on the way.
struct Placed {
    from: usize,
    to: usize,
    first: usize,
    last: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_lie_at_the_lowest_address_that_is_free() {
        let mut number = 1usize;
        let mut below = |limit: usize| {
            number = (number * 1_103_515_245 + 12_345) % (1 << 31);
            (number >> 8) % limit
        };
        for _ in 0..50 {
            let steps = 30;
            let sizes: Vec<usize> = (0..60).map(|_| 64 * (1 + below(9))).collect();
            let lifetimes: Vec<Lifetime> = (0..60)
                .map(|_| {
                    let first = below(steps);
                    (below(8) > 0).then_some((first, (first + below(6)).min(steps)))
                })
                .collect();
            let (offsets, total) = pack(&sizes, &lifetimes);
            let together = |i: usize, j: usize| match (lifetimes[i], lifetimes[j]) {
                (Some((a, b)), Some((c, d))) => i != j && a <= d && c <= b,
                _ => false,
            };
            let end = |i: usize| offsets[i] + sizes[i];
            for i in (0..sizes.len()).filter(|&i| lifetimes[i].is_some()) {
                assert!(end(i) <= total);
                let others: Vec<_> = (0..sizes.len()).filter(|&j| together(i, j)).collect();
                assert!(
                    others
                        .iter()
                        .all(|&j| end(i) <= offsets[j] || end(j) <= offsets[i])
                );
                // It touches one below, or lies at the bottom.
                assert!(offsets[i] == 0 || others.iter().any(|&j| end(j) == offsets[i]));
            }
            let alive = (0..steps).map(|step| {
                let at = |life: &Lifetime| life.is_some_and(|(a, b)| (a..=b).contains(&step));
                let sizes = sizes.iter().zip(&lifetimes).filter(|(_, life)| at(life));
                sizes.map(|(size, _)| size).sum::<usize>()
            });
            assert_eq!(most_alive(&sizes, &lifetimes, steps), alive.max().unwrap_or(0));
        }
    }
}
