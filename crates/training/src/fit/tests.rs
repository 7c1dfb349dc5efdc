use super::*;
use crate::corpus::Corpus;
use crate::random::Random;
use model::{Preparation, Recipe};
use ner::{Document, EntityCategory, Label, LabeledDocument, Region, Span};

/// Three lines about people and places.
pub(crate) fn corpus() -> Corpus {
    let text = "Anna Lee lives in Paris.\nBob met Anna in New York\nParis is far.";
    let category = |name| EntityCategory::new(name).expect("valid");
    let label = |part: &str, name| {
        let start = text.find(part).expect("in the text");
        Label { span: Span::new(start, start + part.len()), category: category(name) }
    };
    let labels = vec![label("Anna Lee", "person"), label("Paris", "place"), label("Bob", "person")];
    let labels = [labels, vec![label("New York", "place")]].concat();
    let document = LabeledDocument {
        document: Document { location: "a".into(), language: None, text: text.into() },
        dataset: None,
        regions: vec![Region { span: Span::new(0, text.len()), labels }],
    };
    let preparation = Preparation::new(&Recipe::lexical(), None).expect("no encoder needed");
    Corpus::new(&[document], &[category("person"), category("place")], &preparation, 1, &|| false)
        .expect("valid")
}

#[test]
fn every_parameter_receives_its_gradient() {
    let corpus = corpus();
    let data = &corpus.features;
    let mut random = Random::new(1, 0);
    let given: Vec<f32> = (0..corpus.words() * 5).map(|_| random.symmetric()).collect();
    let mut objective =
        Objective::new(&corpus, data, &corpus.examples, data.reachable(0.0), Some(&given), 0.1);
    let mut x = objective.start();
    x.iter_mut().for_each(|value| *value += 0.2 * random.symmetric());
    let mut gradient = vec![0.0; x.len()];
    objective.evaluate(&x, &mut gradient);
    let mut unused = vec![0.0; x.len()];
    for at in 0..x.len() {
        const STEP: f32 = 5e-3;
        let mut loss = |change: f32| {
            x[at] += change;
            let loss = objective.evaluate(&x, &mut unused);
            x[at] -= change;
            loss
        };
        let slope = (loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP);
        assert!((slope - f64::from(gradient[at])).abs() < 2e-3 + 0.01 * slope.abs(), "parameter {at}");
        assert!(gradient[at] != 0.0, "parameter {at} receives no gradient");
    }
}

#[test]
fn learning_lowers_the_loss_and_leaves_weights_at_zero() {
    let corpus = corpus();
    let go = |_, _| ControlFlow::Continue(());
    let recipe = LexicalRecipe::default();
    let data = &corpus.features;
    let ground = Ground::new(&corpus, None);
    let fitted = ground.fit(&corpus.examples, &recipe, None, go).expect("finite");
    let mut objective = Objective::new(&corpus, data, &corpus.examples, data.reachable(0.0), None, recipe.l2);
    let start = objective.start();
    let before = objective.evaluate(&start, &mut vec![0.0; start.len()]);
    assert!(fitted.outcome.objective < 0.3 * before, "{} of {before}", fitted.outcome.objective);
    let all = data.weights(data.reachable(0.0));
    let used = fitted.weights().iter().filter(|&&weight| weight != 0.0).count();
    assert!(3 * used < 2 * all, "{used} of {all}");
}

#[test]
fn passes_over_the_features_that_matter_end_where_passes_over_all_do() {
    let corpus = corpus();
    let data = &corpus.features;
    let recipe = LexicalRecipe { tolerance: 0.0, ..LexicalRecipe::default() };
    let go = |_, _| ControlFlow::Continue(());
    let fitted = Ground::new(&corpus, None).fit(&corpus.examples, &recipe, None, go).expect("finite");
    let features = data.reachable(recipe.l1);
    let mut objective = Objective::new(&corpus, data, &corpus.examples, features, None, recipe.l2);
    let settings = owlqn::Settings { max_iterations: 400, tolerance: 0.0 };
    let (mut x, penalties) = (objective.start(), objective.penalties(recipe.l1));
    let all =
        owlqn::minimise(&mut x, &penalties, &settings, |x, gradient| objective.evaluate(x, gradient), go);
    let all = all.expect("finite").objective;
    let found = fitted.outcome.objective;
    assert!(found < 1.002 * all, "{found} instead of {all} after {} passes", fitted.outcome.iterations);
    let active = objective.active(&x, recipe.l1, NEARLY);
    assert!(active.len() < features, "{} of {features} matter", active.len());
    let mut scattered = vec![1.0; data.weights(features)];
    data.scatter(&data.gather(&x[..scattered.len()], &active), &active, &mut scattered);
    assert_eq!(scattered, x[..scattered.len()]);
}

#[test]
fn after_a_sample_few_passes_end_where_many_do() {
    let corpus = corpus();
    let recipe = LexicalRecipe { tolerance: 0.0, ..LexicalRecipe::default() };
    let ground = Ground::new(&corpus, None);
    let go = |_, _| ControlFlow::Continue(());
    let all = ground.fit(&corpus.examples, &recipe, None, go).expect("finite").outcome.objective;
    let mut passes = Vec::new();
    let watch = |pass, _| {
        passes.push(pass);
        ControlFlow::Continue(())
    };
    let sampled = ground.fit_after_sample(&corpus.examples, &recipe, 2, watch).expect("finite").outcome;
    assert!(sampled.objective < 1.02 * all, "{} instead of {all}", sampled.objective);
    assert!(sampled.iterations > PASSES_AFTER_SAMPLE as usize, "the sample was learned from too");
    assert!(passes.is_sorted() && passes.iter().all(|&pass| pass <= recipe.max_iterations as usize));
}

#[test]
fn learning_stops_when_told() {
    let corpus = corpus();
    let ground = Ground::new(&corpus, None);
    let recipe = LexicalRecipe::default();
    let stopped = ground.fit(&corpus.examples, &recipe, None, |_, _| ControlFlow::Break(()));
    assert_eq!(stopped.map(|_| ()), Err(Stop::Cancelled));
}

#[test]
fn features_that_cannot_reach_a_weight_are_left_out_without_a_difference() {
    let corpus = corpus();
    let data = &corpus.features;
    let all = data.reachable(0.0);
    for l1 in [1.0, 2.5, 6.0] {
        let features = data.reachable(l1);
        assert!(features < all);
        let mut objective = Objective::new(&corpus, data, &corpus.examples, all, None, 0.1);
        let settings = owlqn::Settings { max_iterations: 100, tolerance: 1e-6 };
        let (mut x, penalties) = (objective.start(), objective.penalties(l1));
        let go = |_, _| ControlFlow::Continue(());
        owlqn::minimise(&mut x, &penalties, &settings, |x, gradient| objective.evaluate(x, gradient), go)
            .expect("finite");
        let out = &x[data.weights(features)..data.weights(all)];
        assert!(out.iter().all(|&weight| weight == 0.0), "under {l1}");
    }
}
