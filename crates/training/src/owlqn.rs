//! OWL-QN: L-BFGS for a smooth function plus an L1 term (Andrew and Gao 2007, "Scalable training of
//! L1-regularized log-linear models"). Without an L1 term it is L-BFGS.

use crate::parallel::{dot, sum, update};
use rayon::prelude::*;
use std::ops::{ControlFlow, Range};

/// Steps remembered.
pub(crate) const MEMORY: usize = 6;

/// Attempts of one line search.
const ATTEMPTS: usize = 25;

/// Settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) max_iterations: usize,
    /// Stops when the objective fell by less than this part of itself over [`PERIOD`] iterations.
    pub(crate) tolerance: f64,
}

/// Iterations the tolerance looks back.
pub(crate) const PERIOD: usize = 10;

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Objective at the end, L1 term included.
    pub(crate) objective: f64,
    pub(crate) iterations: usize,
}

/// Why it stopped without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled,
    /// The objective is no number where the search began.
    NotFinite,
    /// A temporary file could not be read.
    Scratch(std::io::ErrorKind),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Scratch(error.kind())
    }
}

struct Step {
    change: Vec<f32>,
    gradient_change: Vec<f32>,
    /// Inner product of the two.
    product: f64,
}

/// Minimises `smooth(x) + Σ l1[i] * |x[i]|`, without an L1 term when `l1` is empty; `smooth` writes its gradient. `watch`
/// hears of each iteration.
pub(crate) fn minimise(
    x: &mut Vec<f32>,
    l1: &[f32],
    settings: &Settings,
    mut smooth: impl FnMut(&[f32], &mut [f32]) -> f64,
    mut watch: impl FnMut(usize, f64) -> ControlFlow<()>,
) -> Result<Outcome, Stop> {
    let penalty = |x: &[f32]| {
        let of_pair = |(x, l1): (&f32, &f32)| f64::from(*l1) * f64::from(x.abs());
        sum(l1.len(), |range| x[range.clone()].iter().zip(&l1[range]).map(of_pair).sum())
    };
    let mut gradient = vec![0.0; x.len()];
    let mut objective = smooth(x, &mut gradient) + penalty(x);
    if !objective.is_finite() {
        let stopped = objective.is_nan() && watch(0, objective).is_break();
        return Err(if stopped { Stop::Cancelled } else { Stop::NotFinite });
    }
    let mut steepest = pseudo_gradient(x, &gradient, l1);
    let mut steps: Vec<Step> = Vec::new();
    let mut history = vec![objective];
    let mut next = vec![0.0; x.len()];
    let mut next_gradient = vec![0.0; x.len()];
    let mut iterations = 0;
    while iterations < settings.max_iterations {
        let mut direction = direction(&steepest, &steps);
        if !l1.is_empty() {
            // A direction against the steepest one would leave the orthant that the pseudo-gradient describes.
            update(&mut direction, &steepest, |d, s| if d * s >= 0.0 { 0.0 } else { d });
        }
        let mut slope = dot(&direction, &steepest);
        if slope >= 0.0 {
            if steps.is_empty() {
                break;
            }
            steps.clear();
            continue;
        }
        let mut length = if steps.is_empty() { 1.0 / dot(&steepest, &steepest).sqrt() } else { 1.0 };
        let mut accepted = None;
        for _ in 0..ATTEMPTS {
            advance(&mut next, x, &direction, &steepest, length as f32, !l1.is_empty());
            let value = smooth(&next, &mut next_gradient) + penalty(&next);
            // An evaluation that was given up because of a wish to stop is no number either.
            if value.is_nan() && watch(iterations, objective).is_break() {
                return Err(Stop::Cancelled);
            }
            if !l1.is_empty() {
                let moved = |range: Range<usize>| {
                    range.map(|i| f64::from(next[i] - x[i]) * f64::from(steepest[i])).sum()
                };
                slope = sum(x.len(), moved) / length;
            }
            if value.is_finite() && value <= objective + 1e-4 * length * slope {
                accepted = Some(value);
                break;
            }
            length *= 0.5;
        }
        let Some(value) = accepted else {
            if steps.is_empty() {
                break;
            }
            steps.clear();
            continue;
        };
        remember(&mut steps, x, &next, &gradient, &next_gradient);
        std::mem::swap(x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        objective = value;
        steepest = pseudo_gradient(x, &gradient, l1);
        iterations += 1;
        history.push(objective);
        if watch(iterations, objective).is_break() {
            return Err(Stop::Cancelled);
        }
        if history.len() > PERIOD {
            let before = history[history.len() - 1 - PERIOD];
            if before - objective < settings.tolerance * objective.abs() {
                break;
            }
        }
    }
    Ok(Outcome { objective, iterations })
}

/// The gradient of the whole objective in the direction it falls, 0 where it falls in neither.
fn pseudo_gradient(x: &[f32], gradient: &[f32], l1: &[f32]) -> Vec<f32> {
    let mut result = gradient.to_vec();
    result.par_iter_mut().zip(x).zip(l1).for_each(|((g, &x), &l1)| {
        *g = match *g {
            g if x > 0.0 => g + l1,
            g if x < 0.0 => g - l1,
            g if g + l1 < 0.0 => g + l1,
            g if g - l1 > 0.0 => g - l1,
            _ => 0.0,
        }
    });
    result
}

/// `next = x + length * direction`, with values that would change sign `held` at 0.
fn advance(next: &mut [f32], x: &[f32], direction: &[f32], steepest: &[f32], length: f32, held: bool) {
    next.copy_from_slice(x);
    update(next, direction, |x, d| x + length * d);
    if held {
        let mut orthant = x.to_vec();
        update(&mut orthant, steepest, |x, s| if x != 0.0 { x.signum() } else { -s.signum() });
        update(next, &orthant, |next, orthant| if next * orthant <= 0.0 { 0.0 } else { next });
    }
}

fn remember(steps: &mut Vec<Step>, x: &[f32], next: &[f32], gradient: &[f32], next_gradient: &[f32]) {
    let difference = |later: &[f32], earlier: &[f32]| {
        let mut difference = later.to_vec();
        update(&mut difference, earlier, |later, earlier| later - earlier);
        difference
    };
    let (change, gradient_change) = (difference(next, x), difference(next_gradient, gradient));
    let product = dot(&change, &gradient_change);
    // Steps along which the gradient does not grow say nothing about the curvature.
    if product > 1e-10 * dot(&change, &change) {
        if steps.len() == MEMORY {
            steps.remove(0);
        }
        steps.push(Step { change, gradient_change, product });
    }
}

/// The two-loop recursion of L-BFGS, downhill.
fn direction(steepest: &[f32], steps: &[Step]) -> Vec<f32> {
    let mut direction = steepest.to_vec();
    let mut factors = Vec::with_capacity(steps.len());
    for step in steps.iter().rev() {
        let factor = dot(&step.change, &direction) / step.product;
        update(&mut direction, &step.gradient_change, |d, y| d - factor as f32 * y);
        factors.push(factor);
    }
    if let Some(last) = steps.last() {
        let scale = (last.product / dot(&last.gradient_change, &last.gradient_change)) as f32;
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (step, factor) in steps.iter().zip(factors.iter().rev()) {
        let correction = (factor - dot(&step.gradient_change, &direction) / step.product) as f32;
        update(&mut direction, &step.change, |d, s| d + correction * s);
    }
    direction.iter_mut().for_each(|value| *value = -*value);
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(l1: &[f32], smooth: impl FnMut(&[f32], &mut [f32]) -> f64, x: Vec<f32>) -> (Vec<f32>, Outcome) {
        let settings = Settings { max_iterations: 200, tolerance: 1e-12 };
        let mut x = x;
        let outcome =
            minimise(&mut x, l1, &settings, smooth, |_, _| ControlFlow::Continue(())).expect("finite");
        (x, outcome)
    }

    /// Rosenbrock's valley.
    fn valley(x: &[f32], gradient: &mut [f32]) -> f64 {
        let (a, b) = (f64::from(x[0]), f64::from(x[1]));
        gradient[0] = (-400.0 * a * (b - a * a) - 2.0 * (1.0 - a)) as f32;
        gradient[1] = (200.0 * (b - a * a)) as f32;
        100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)
    }

    #[test]
    fn finds_the_bottom_of_a_curved_valley() {
        let (x, outcome) = run(&[], valley, vec![-1.2, 1.0]);
        assert!((x[0] - 1.0).abs() < 1e-2 && (x[1] - 1.0).abs() < 1e-2, "{x:?} {outcome:?}");
    }

    #[test]
    fn an_l1_term_gives_each_value_its_soft_threshold() {
        let targets = [3.0f32, 0.5, -2.0, -0.2, 0.5];
        let smooth = |x: &[f32], gradient: &mut [f32]| {
            gradient.iter_mut().zip(x).zip(targets).for_each(|((g, x), t)| *g = x - t);
            x.iter().zip(targets).map(|(x, t)| 0.5 * f64::from(x - t).powi(2)).sum()
        };
        let (x, _) = run(&[1.0, 1.0, 1.0, 1.0, 0.25], smooth, vec![0.0; 5]);
        for (found, expected) in x.iter().zip([2.0, 0.0, -1.0, 0.0, 0.25]) {
            assert!((found - expected).abs() < 1e-4, "{x:?}");
        }
        assert_eq!((x[1], x[3]), (0.0, 0.0));
    }

    #[test]
    fn stops_when_told_and_when_nothing_is_a_number() {
        let settings = Settings { max_iterations: 9, tolerance: 0.0 };
        let cancelled = minimise(&mut vec![-1.2, 1.0], &[], &settings, valley, |_, _| ControlFlow::Break(()));
        assert_eq!(cancelled.map(|_| ()), Err(Stop::Cancelled));
        let broken =
            minimise(&mut vec![0.0], &[], &settings, |_, _| f64::NAN, |_, _| ControlFlow::Continue(()));
        assert_eq!(broken.map(|_| ()), Err(Stop::NotFinite));
    }
}
