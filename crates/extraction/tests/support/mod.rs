//! A catalog with a deployed lexical model over two categories, and the calls a client makes.

use catalog::driver::NativeSqlite;
use catalog::{Catalog, JobKind, Lease, NewJob, NewModel, ProjectChange, Role};
use extraction::{Answer, Extraction, Graphs, Models};
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use language_api::{Call, Limits, Query, RuntimeJobId};
use model::{
    Emissions, Entry, FORMAT, GraphError, HEAD_FILE, Head, Inputs, Lattice, LexicalRecipe, Lineage, Manifest,
    Preparation, Recipe, RecipeKind, SequenceBreak, Sparse,
};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const SECRET: &str = "internal";
pub(crate) const WORKER: &str = "worker-1";
const TTL: Duration = Duration::from_secs(60);

thread_local! {
    static NOW: Cell<Timestamp> = Cell::new("2024-05-06T09:41:10Z".parse().expect("a moment"));
}

/// The clock of this thread's test.
pub(crate) fn now() -> Timestamp {
    NOW.get()
}

pub(crate) fn pass(seconds: i64) {
    NOW.set(now().checked_add(SignedDuration::from_secs(seconds)).expect("near"));
}

/// The house under test.
pub(crate) struct House {
    _folder: tempfile::TempDir,
    pub(crate) catalog: Catalog<NativeSqlite>,
    pub(crate) models: Models,
    pub(crate) graphs: HeadGraphs,
    pub(crate) limits: Limits,
}

/// Computes heads here; counts and, when told to, fails.
pub(crate) struct HeadGraphs {
    head: Head,
    pub(crate) computed: Cell<usize>,
    pub(crate) failure: RefCell<Option<GraphError>>,
}

impl Graphs for HeadGraphs {
    fn compute(&self, model_id: &str, inputs: &Inputs) -> Result<Emissions, GraphError> {
        if let Some(failure) = &*self.failure.borrow() {
            return Err(failure.clone());
        }
        assert_eq!(model_id, "model-1");
        self.computed.set(self.computed.get() + 1);
        self.head.emissions(inputs, None)
    }
}

impl House {
    /// Project `ClaimsDesk` with deployment `production`, whose model finds `Ana Ruiz` and numbers like `PN-4471`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let driver = NativeSqlite::open(folder.path().join("catalog.db")).expect("opens");
        let catalog = block_on(Catalog::open(driver)).expect("migrates");
        block_on(catalog.add_access_key(KEY, "desk", Role::Reader, now())).expect("added");
        let head = head();
        block_on(deploy(&catalog, &head));
        let graphs = HeadGraphs { head, computed: Default::default(), failure: RefCell::default() };
        Self { _folder: folder, catalog, models: Models::default(), graphs, limits: Limits::default() }
    }

    pub(crate) fn extraction(&self) -> Extraction<'_, NativeSqlite> {
        let Self { catalog, models, graphs, limits, .. } = self;
        Extraction { catalog, models, graphs, limits, now }
    }

    pub(crate) fn submit(&self, body: &Value) -> Answer {
        block_on(self.extraction().submit(&call("", body), Uuid::new_v4()))
    }

    /// Submits and gives the job's id.
    pub(crate) fn submitted(&self, body: &Value) -> RuntimeJobId {
        let reply = self.submit(body).expect("accepted");
        assert_eq!((reply.status, reply.body), (202, None));
        let (name, location) = &reply.headers[0];
        assert_eq!(*name, "operation-location");
        let path =
            location.strip_prefix("https://ner.example.org/language/analyze-text/jobs/").expect("absolute");
        path.strip_suffix("?api-version=2023-04-01").expect("the caller's version").parse().expect("a GUID")
    }

    pub(crate) fn state(&self, id: RuntimeJobId, query: &str) -> Value {
        body(block_on(self.extraction().get_job(&call(query, &Value::Null), id)))
    }

    pub(crate) fn cancel(&self, id: RuntimeJobId) -> Answer {
        block_on(self.extraction().cancel_job(&call("", &Value::Null), id))
    }

    /// What a worker does first.
    pub(crate) fn lease(&self) -> Lease {
        let job = block_on(self.catalog.lease(WORKER, &[JobKind::Extract], now(), TTL)).expect("asked");
        job.expect("a job waits").lease().expect("leased")
    }

    pub(crate) fn run(&self, id: RuntimeJobId, lease: &Lease) -> Answer {
        let body = json!({ "owner": lease.owner, "attempt": lease.attempt });
        let call = Call { internal_secret: Some(SECRET.into()), key: None, ..call("", &body) };
        block_on(self.extraction().run_job(&call, id, SECRET))
    }

    /// Leases and runs the oldest job.
    pub(crate) fn run_next(&self, id: RuntimeJobId) -> Value {
        body(self.run(id, &self.lease()))
    }
}

pub(crate) fn call(query: &str, body: &Value) -> Call {
    Call {
        method: "POST".into(),
        path: "/".into(),
        query: Query::parse(&format!("api-version=2023-04-01&{query}")),
        endpoint: "https://ner.example.org".into(),
        key: Some(KEY.into()),
        internal_secret: None,
        body: body.to_string().into_bytes(),
    }
}

pub(crate) fn body(answer: Answer) -> Value {
    let reply = answer.expect("a success");
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body.expect("a body")).expect("JSON")
}

/// A request over `texts`, ids from 1, one task per deployment name.
pub(crate) fn request(texts: &[&str], deployments: &[&str]) -> Value {
    let documents: Vec<_> =
        texts.iter().zip(1..).map(|(text, id)| json!({ "id": id.to_string(), "text": text })).collect();
    let task = |name: &&str| {
        json!({ "kind": "CustomEntityRecognition", "taskName": format!("task {name}"),
            "parameters": { "projectName": "ClaimsDesk", "deploymentName": name } })
    };
    json!({ "analysisInput": { "documents": documents },
        "tasks": deployments.iter().map(task).collect::<Vec<_>>() })
}

pub(crate) const TEXT: &str = "Claim by Ana Ruiz under policy PN-4471: hail damage.";

fn recipe() -> Recipe {
    Recipe {
        kind: RecipeKind::Lexical,
        sequence_break: SequenceBreak::Line,
        sequence_words: 100,
        lexical: LexicalRecipe {
            feature_set: model::FEATURE_SET,
            document_context: false,
            min_count: 1,
            l1: 0.0,
            l2: 0.0,
            max_iterations: 1,
            tolerance: 0.0,
            prune_below: 0.0,
        },
        contextual: None,
        tuning: None,
    }
}

/// A head learned from one sentence: each feature votes for the tags of the words it was seen on.
fn head() -> Head {
    let preparation = Preparation::new(&recipe(), None).expect("lexical");
    let prepared = preparation.prepare(&[TEXT]).expect("prepared");
    let words = &prepared.documents[0].words;
    let tag = |text: &str| match text {
        "Ana" => 1,
        "Ruiz" => 2,
        "PN" | "PN-4471" => 3,
        "-" | "4471" => 4,
        _ => 0,
    };
    let inputs = &prepared.inputs;
    let mut votes: BTreeMap<u64, [f32; 5]> = BTreeMap::new();
    for (word, range) in words.iter().zip(inputs.feature_offsets.windows(2)) {
        for hash in &inputs.features[range[0] as usize..range[1] as usize] {
            votes.entry(*hash).or_default()[tag(word.span.slice(TEXT))] += 1.0;
        }
    }
    let entries: Vec<_> = votes
        .values()
        .flat_map(|votes| {
            let total: f32 = votes.iter().sum();
            (0..).zip(votes.map(|vote| vote / total)).map(|(tag, weight)| Entry { tag, weight })
        })
        .collect();
    let offsets = (0..=votes.len() as u32).map(|row| row * 5).collect();
    let sparse = Sparse::new(votes.into_keys().collect(), offsets, entries).expect("sorted");
    Head::new(vec![0.0; 5], sparse, None).expect("fits")
}

fn manifest(head: &Head) -> Manifest {
    let files = BTreeMap::from([(HEAD_FILE.to_owned(), model::FileRef::of(&head.to_bytes()))]);
    Manifest {
        format: FORMAT,
        model_id: "model-1".into(),
        recipe: recipe(),
        language: "en-us".into(),
        categories: vec!["Claimant".into(), "PolicyNumber".into()],
        lattice: Lattice { transitions: vec![0.0; 25], start: vec![0.0; 5], end: vec![0.0; 5] },
        temperature: 1.0,
        boldness: 0.0,
        encoder: None,
        files,
        lineage: Lineage::default(),
        digest: String::new(),
    }
}

/// The project as it was made.
pub(crate) fn project() -> ProjectChange {
    ProjectChange {
        name: "ClaimsDesk".into(),
        container: "letters".into(),
        language: "en-us".into(),
        multilingual: None,
        description: None,
        confidence_threshold: None,
    }
}

/// The right to change the project, as a worker gets it.
pub(crate) fn exclusive_lease(house: &House, kind: JobKind) -> Lease {
    block_on(lease(&house.catalog, kind))
}

async fn lease(catalog: &Catalog<NativeSqlite>, kind: JobKind) -> Lease {
    let job = NewJob {
        id: Uuid::new_v4().to_string(),
        kind,
        project: "ClaimsDesk".into(),
        target: String::new(),
        payload: vec![],
        progress: None,
        expires_at: now().checked_add(SignedDuration::from_hours(24)).expect("near"),
    };
    catalog.enqueue(&job, now()).await.expect("enqueued");
    let job = catalog.lease(WORKER, &[kind], now(), TTL).await.expect("asked").expect("waits");
    job.lease().expect("leased")
}

async fn deploy(catalog: &Catalog<NativeSqlite>, head: &Head) {
    catalog.put_project(&project(), now()).await.expect("a project");
    let lease = lease(catalog, JobKind::Train).await;
    let model = NewModel {
        project: "ClaimsDesk".into(),
        label: "m".into(),
        model_id: "model-1".into(),
        recipe: "lexical".into(),
        training_config_version: "2023-04-01".into(),
        manifest: String::from_utf8(manifest(head).to_json()).expect("JSON"),
        snapshot: None,
        evaluation_summary: None,
        evaluation_documents: vec![],
        trained_at: now(),
        training_seconds: 1,
    };
    catalog.put_model(&lease, &model).await.expect("a model");
    for name in ["production", "trial"] {
        catalog.put_deployment(&lease, "ClaimsDesk", name, "m", now()).await.expect("deployed");
    }
    catalog.finish(&lease, &catalog::Outcome::succeeded(), now()).await.expect("ended");
}
