//! What a scheduler promises about the share of each server.

use std::collections::BTreeMap;

/// The promise of a scheduler over a number of successive connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise<'a> {
    pub(crate) scheduler: &'a str,
    pub(crate) weights: &'a BTreeMap<String, u32>,
    /// Permitted deviation as a part of all requests, for schedulers that promise nothing exact.
    pub(crate) tolerance: Option<f64>,
}

/// What schedulers without an exact promise may deviate by.
const LOOSE: f64 = 0.25;

impl Promise<'_> {
    /// How many of `total` connections `server` must get, at least and at most.
    ///
    /// `rr` and `wrr` serve in cycles; within a whole cycle a server of weight w gets exactly
    /// w / gcd connections. A window of any length holds whole cycles and one broken one, in which
    /// a server gets between none and all of its turns.
    pub(crate) fn bounds(&self, server: &str, total: usize) -> (usize, usize) {
        let weight = self.weight(server) as usize;
        let sum: usize = self
            .weights
            .keys()
            .map(|name| self.weight(name) as usize)
            .sum();
        if sum == 0 {
            return (0, 0);
        }
        if self.tolerance.is_none() && matches!(self.scheduler, "rr" | "wrr") {
            let divisor = self
                .weights
                .keys()
                .fold(0, |a, name| gcd(a, self.weight(name) as usize));
            let (turns, cycle) = (weight / divisor, sum / divisor);
            let (whole, broken) = (total / cycle, total % cycle);
            let least = whole * turns + broken.saturating_sub(cycle - turns);
            return (least, whole * turns + turns.min(broken));
        }
        let expected = total as f64 * weight as f64 / sum as f64;
        let play = total as f64 * self.tolerance.unwrap_or(LOOSE);
        (
            (expected - play).max(0.0).ceil() as usize,
            (expected + play).floor() as usize,
        )
    }

    /// `rr` does not look at weights, except that 0 means no connection.
    fn weight(&self, server: &str) -> u32 {
        let weight = self.weights.get(server).copied().unwrap_or(0);
        if self.scheduler == "rr" {
            weight.min(1)
        } else {
            weight
        }
    }

    /// What is wrong with these counts, nothing if the promise is kept.
    pub(crate) fn broken_by(&self, counts: &BTreeMap<String, usize>) -> Option<String> {
        let total = counts.values().sum();
        let mut wrong: Vec<String> = counts
            .keys()
            .filter(|server| !self.weights.contains_key(*server))
            .map(|server| format!("{server} answered too"))
            .collect();
        for server in self.weights.keys() {
            let count = counts.get(server).copied().unwrap_or(0);
            let (least, most) = self.bounds(server, total);
            if count < least || count > most {
                let promised = if least == most {
                    least.to_string()
                } else {
                    format!("{least} to {most}")
                };
                wrong.push(format!(
                    "{server} answered {count} of {total}, promised {promised}"
                ));
            }
        }
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(of: &[(&str, u32)]) -> BTreeMap<String, u32> {
        of.iter()
            .map(|(name, weight)| ((*name).to_owned(), *weight))
            .collect()
    }

    #[test]
    fn round_robin_is_exact_to_one() {
        let weights = weights(&[("a", 5), ("b", 1)]);
        let promise = Promise {
            scheduler: "rr",
            weights: &weights,
            tolerance: None,
        };
        assert_eq!(promise.bounds("a", 40), (20, 20));
        assert_eq!(promise.bounds("b", 41), (20, 21));
    }

    #[test]
    fn weighted_round_robin_is_exact_to_a_cycle() {
        let weights = weights(&[("a", 30), ("b", 10)]);
        let promise = Promise {
            scheduler: "wrr",
            weights: &weights,
            tolerance: None,
        };
        assert_eq!(promise.bounds("a", 40), (30, 30));
        assert_eq!(promise.bounds("a", 42), (31, 32));
        assert_eq!(promise.bounds("b", 42), (10, 11));
    }

    #[test]
    fn strangers_and_silence_are_told() {
        let weights = weights(&[("a", 1), ("b", 1)]);
        let promise = Promise {
            scheduler: "rr",
            weights: &weights,
            tolerance: None,
        };
        let counts = BTreeMap::from([("a".to_owned(), 9), ("sorry".to_owned(), 1)]);
        let told = promise.broken_by(&counts).unwrap();
        assert!(told.contains("sorry answered too"));
        assert!(told.contains("b answered 0 of 10, promised 5"));
    }

    #[test]
    fn others_are_held_to_their_tolerance() {
        let weights = weights(&[("a", 1), ("b", 1)]);
        let promise = Promise {
            scheduler: "sh",
            weights: &weights,
            tolerance: Some(0.1),
        };
        assert_eq!(promise.bounds("a", 100), (40, 60));
    }

    proptest! {
        /// Any window of a stream that cycles through the servers keeps the promise.
        #[test]
        fn every_window_of_a_cycle_is_within_bounds(
            raw in proptest::collection::vec(1_u32..6, 1..5),
            start in 0_usize..40,
            length in 1_usize..60,
        ) {
            let weights: BTreeMap<String, u32> =
                raw.iter().enumerate().map(|(i, w)| (format!("s{i}"), *w)).collect();
            let divisor = raw.iter().fold(0, |a, w| gcd(a, *w as usize));
            let cycle: Vec<String> = weights
                .iter()
                .flat_map(|(name, w)| std::iter::repeat_n(name.clone(), *w as usize / divisor))
                .collect();
            let mut counts = BTreeMap::new();
            for server in cycle.iter().cycle().skip(start).take(length) {
                *counts.entry(server.clone()).or_insert(0) += 1;
            }
            let promise = Promise { scheduler: "wrr", weights: &weights, tolerance: None };
            prop_assert_eq!(promise.broken_by(&counts), None);
        }
    }
}
