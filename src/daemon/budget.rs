//! Shares the bytes that the whole process may hold among its subscriptions and mirrors.
//!
//! Pure. Never gives away more than there is.

/// Shares `total` among pipelines that hold `used` bytes each: half of it evenly, the rest among those that use more
/// than half of their even share, because the idle ones need no more.
pub(super) fn shares(total: usize, used: &[usize]) -> Vec<usize> {
    let count = used.len().max(1);
    let floor = total / 2 / count;
    let is_busy = |bytes: usize| bytes * 2 > floor;
    let busy = used.iter().filter(|bytes| is_busy(**bytes)).count();
    let (extra, everybody) = match busy {
        0 => (0, total / 2 / count),
        busy => (total / 2 / busy, 0),
    };
    used.iter()
        .map(|bytes| floor + if is_busy(*bytes) { extra } else { everybody })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn busy_pipelines_get_what_idle_ones_do_not_need() {
        for (used, expected) in [
            (vec![], vec![]),
            (vec![0], vec![1000]),
            (vec![900], vec![1000]),
            (vec![0, 0], vec![500, 500]),
            (vec![0, 200], vec![250, 750]),
            (vec![200, 200], vec![500, 500]),
            (vec![0, 0, 0, 100], vec![125, 125, 125, 625]),
        ] {
            assert_eq!(shares(1000, &used), expected, "{used:?}");
        }
    }

    #[test]
    fn never_more_than_there_is() {
        for count in 1..40_usize {
            for busy in 0..=count {
                let used: Vec<usize> = (0..count)
                    .map(|at| if at < busy { 900 } else { 0 })
                    .collect();
                assert!(
                    shares(1000, &used).iter().sum::<usize>() <= 1000,
                    "{count} {busy}"
                );
            }
        }
    }
}
