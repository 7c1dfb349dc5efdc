//! Who is told what a project extracted.

use super::Database;
use super::support::{TTL, at, started, succeed, with_project};
use crate::{DeliveryState, Error, JobKind, NewSubscriber, Outcome, PageRequest, Resource};

fn subscriber(name: &str, secret: Option<&str>) -> NewSubscriber {
    NewSubscriber {
        name: name.to_owned(),
        url: format!("https://{name}.example/"),
        secret: secret.map(str::to_owned),
        proposal: "proposed".to_owned(),
    }
}

pub(super) async fn told_of_what_happened_and_of_nothing_else(database: &impl Database) {
    let catalog = database.open().await;
    let missing = Error::NotFound { resource: Resource::Project, name: "P".to_owned() };
    assert_eq!(catalog.put_subscriber("P", &subscriber("desk", None), at(1)).await, Err(missing));
    with_project(&catalog, "P").await;
    let put = async |new: &NewSubscriber, moment: i64| {
        let (found, is_new) = catalog.put_subscriber("P", new, at(moment)).await.expect("put");
        (found.secret, found.created_at, is_new)
    };
    assert_eq!(put(&subscriber("desk", None), 1).await, ("proposed".to_owned(), at(1), true));
    assert_eq!(put(&subscriber("desk", Some("given")), 2).await, ("given".to_owned(), at(1), false));
    assert_eq!(
        put(&subscriber("desk", None), 3).await,
        ("given".to_owned(), at(1), false),
        "it keeps its secret"
    );
    assert_eq!(put(&subscriber("audit", None), 3).await.2, true);
    let page = catalog.subscribers("P", PageRequest::first(1)).await.expect("list");
    assert_eq!((page.items[0].name.as_str(), page.total, page.has_more), ("audit", 2, true));

    let lease = started(&catalog, "extract", JobKind::ExtractDocument, "P").await;
    let tell =
        async || catalog.finish_and_tell(&lease, &Outcome::succeeded(), "P", "{\"event\":1}", at(4)).await;
    assert_eq!(tell().await, Ok(()));
    assert!(
        matches!(tell().await, Err(Error::LeaseLost { .. })),
        "the job has ended, and nobody is told twice"
    );
    let listed = async |state| {
        let page = catalog.deliveries("P", state, PageRequest::first(9), at(5)).await.expect("list");
        let mut targets: Vec<_> = page.items.iter().map(|job| job.target.clone()).collect();
        targets.sort();
        targets
    };
    assert_eq!(listed(None).await, ["audit", "desk"]);
    let kinds = [JobKind::Deliver];
    let first = catalog.lease("w", &kinds, at(5), TTL).await.expect("lease").expect("a job");
    assert_eq!(first.progress.as_deref(), Some("{\"event\":1}"));
    succeed(&catalog, &first.lease().expect("leased")).await;
    let second = catalog.lease("w", &kinds, at(5), TTL).await.expect("lease").expect("a job");
    catalog.finish(&second.lease().expect("leased"), &Outcome::failed("[]"), at(6)).await.expect("finish");
    assert_eq!(listed(Some(DeliveryState::Delivered)).await, [first.target]);
    assert_eq!(listed(Some(DeliveryState::Dead)).await, [second.target.clone()]);
    assert_eq!(listed(Some(DeliveryState::Waiting)).await, Vec::<String>::new());

    let again = catalog.tell_again("P", &second.target, "{\"event\":1}", at(7)).await.expect("again");
    assert_eq!((DeliveryState::of(&again), again.target), (DeliveryState::Waiting, second.target.clone()));
    catalog.remove_subscriber("P", &second.target).await.expect("remove");
    assert!(catalog.remove_subscriber("P", &second.target).await.is_err());
    assert!(catalog.subscriber("P", &second.target).await.is_err());
    assert!(catalog.tell_again("P", &second.target, "{}", at(8)).await.is_err());

    let delete = started(&catalog, "delete", JobKind::DeleteProject, "P").await;
    catalog.delete_project(&delete, "P", at(10)).await.expect("delete");
    succeed(&catalog, &delete).await;
    assert_eq!(catalog.subscribers("P", PageRequest::first(9)).await.map(|page| page.total), Ok(0));
}
