use super::*;
use ner::tags::{allowed, allowed_first};

const LAYOUT: Layout = Layout { width: 5, hidden: 4, reach: 1, pooled: true, tags: 5 };

/// Random vectors and tags that use every tag, in sequences of several lengths.
fn corpus() -> (Vectors, Vec<Tag>, Vec<Range<usize>>) {
    let mut random = Random::new(7, 0);
    let (mut gold, mut examples): (Vec<Tag>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
    for length in [1usize, 2, 3, 5, 8, 13, 21] {
        let start = gold.len();
        for at in 0..length {
            let may: Vec<Tag> = (0..5)
                .filter(|&tag| if at == 0 { allowed_first(tag) } else { allowed(gold[start + at - 1], tag) })
                .collect();
            gold.push(may[random.next() as usize % may.len()]);
        }
        examples.push(start..start + length);
    }
    let values: Vec<f32> = (0..gold.len() * LAYOUT.width).map(|_| random.symmetric()).collect();
    (vectors_of(LAYOUT.width, &values), gold, examples)
}

fn vectors_of(width: usize, values: &[f32]) -> Vectors {
    let mut vectors = Vectors::new(width, values.len() / width).expect("room");
    let rounded: Vec<u16> = values.iter().map(|&value| crate::vectors::rounded(value)).collect();
    vectors.extend(&rounded).expect("room");
    vectors
}

/// A member with no parameter at zero, from the random numbers of `stream`.
fn member(stream: u64) -> Member {
    let mut random = Random::new(3, stream);
    let mut member = Member::new(LAYOUT, &mut random);
    member.parameters.iter_mut().for_each(|value| *value += 0.3 * random.symmetric());
    member
}

/// The smallest input of any hidden unit's ReLU, without its sign: 0 is the corner, where no derivative exists.
fn distance_from_corners(member: &Member, material: &Material<'_>) -> f32 {
    let Layout { width, hidden, tags, .. } = LAYOUT;
    let words = 0..material.gold.len();
    let mut rows = Vec::new();
    material.vectors.read(&words, &mut Vec::new(), &mut rows).expect("readable");
    let unit = |word: usize, unit: usize| {
        let vector = rows[word * width..(word + 1) * width].iter().enumerate();
        let products = vector.map(|(at, value)| value * member.inner()[at * (tags + hidden) + tags + unit]);
        (member.inner_bias()[unit] + products.sum::<f32>()).abs()
    };
    words
        .flat_map(|word| (0..hidden).map(move |at| (word, at)))
        .map(|(word, at)| unit(word, at))
        .fold(f32::INFINITY, f32::min)
}

#[test]
fn every_parameter_receives_its_gradient() {
    let (vectors, gold, examples) = corpus();
    let material = Material { layout: LAYOUT, vectors: &vectors, gold: &gold };
    // Vectors are within -1..1, so a step moves no unit across its corner.
    const STEP: f32 = 2e-3;
    let far = |member: &Member| distance_from_corners(member, &material) > 2.0 * STEP;
    let mut member = (0..).map(member).find(far).expect("one in a few");
    let mut pass = Pass::default();
    let mut gradient = vec![0.0; member.parameters.len()];
    member.gradient(&material, &examples, &mut pass, None, &mut gradient).expect("readable");
    let lattice = Parts::new(LAYOUT).lattice;
    let mut unused = vec![0.0; gradient.len()];
    for at in 0..gradient.len() {
        let mut loss = |change: f32| {
            member.parameters[at] += change;
            let loss = member.gradient(&material, &examples, &mut pass, None, &mut unused).expect("readable");
            member.parameters[at] -= change;
            loss
        };
        let slope = (loss(STEP) - loss(-STEP)) / f64::from(2.0 * STEP);
        let found = f64::from(gradient[at]);
        assert!((slope - found).abs() < 0.02 + 0.02 * slope.abs(), "parameter {at}: {slope} {found}");
        if lattice.contains(&at) && !is_reachable(at - lattice.start) {
            assert_eq!(found, 0.0, "transition {at} does not exist");
        } else {
            assert!(found.abs() > 1e-6, "parameter {at} receives no gradient");
        }
    }
}

/// Whether a lattice score belongs to a reading: transitions, then starts, then ends.
fn is_reachable(score: usize) -> bool {
    let tags = LAYOUT.tags;
    match score.checked_sub(tags * tags) {
        None => allowed((score / tags) as Tag, (score % tags) as Tag),
        Some(rest) => rest >= tags || allowed_first(rest as Tag),
    }
}

#[test]
fn learning_finds_what_vectors_say() {
    // The vector's first value says whether its word is an entity, its second whether the *next* word is one.
    let mut random = Random::new(5, 0);
    let entity: Vec<bool> = (0..400).map(|_| random.next() % 4 == 0).collect();
    let layout = Layout { width: 2, hidden: 6, reach: 1, pooled: false, tags: 3 };
    let sign = |is: bool| if is { 1.0 } else { -1.0 };
    let vectors: Vec<f32> =
        (0..400).flat_map(|at| [random.symmetric(), sign(at < 399 && entity[at + 1])]).collect();
    let gold: Vec<Tag> = entity.iter().map(|&is| u16::from(is)).collect();
    let examples: Vec<Range<usize>> = (0..40).map(|at| at * 10 + 1..at * 10 + 10).collect();
    let vectors = vectors_of(2, &vectors);
    let material = Material { layout, vectors: &vectors, gold: &gold };
    let recipe = ContextualRecipe {
        epochs: 60,
        batch_words: 64,
        learning_rate: 2e-2,
        dropout: 0.0,
        ..ContextualRecipe::default()
    };
    let watch = |_: f32, _: Option<f64>| ControlFlow::Continue(());
    let member = learn(&material, &examples, &recipe, &mut random, &watch).expect("finite");
    let scores = member.emissions(&material, &examples).expect("readable");
    let words: Vec<usize> = examples.iter().cloned().flatten().collect();
    // The first word of an example has no neighbour before it to be told by.
    let right = words.iter().enumerate().filter(|(row, word)| {
        let row = &scores[row * 3..row * 3 + 3];
        (row[1] > row[0]) == entity[**word] || *word % 10 == 1
    });
    assert!(right.count() >= 355, "of {} words", words.len());
}

#[test]
fn learning_stops_when_told() {
    let (vectors, gold, examples) = corpus();
    let material = Material { layout: LAYOUT, vectors: &vectors, gold: &gold };
    let stop = |_: f32, _: Option<f64>| ControlFlow::Break(());
    let recipe = ContextualRecipe::default();
    let outcome = learn(&material, &examples, &recipe, &mut Random::new(1, 1), &stop);
    assert_eq!(outcome, Err(Stop::Cancelled));
}
