//! Reads and changes the configuration.

use super::*;

#[tokio::test]
async fn the_configuration_is_shown_and_changed() {
    let weir = start(Twin::default());
    let before = Client::at(&weir.path).config().await.unwrap();
    assert_eq!(before["ports"]["v1"]["weight"], 1);
    let after =
        Client::at(&weir.path).patch(&json!({"ports": {"v1": {"weight": 4}}})).await.unwrap();
    assert_eq!(after["ports"]["v1"]["weight"], 4);
    assert_eq!(Client::at(&weir.path).config().await.unwrap(), after);
    let body = r#"{"ports":{"v1":{"weight":null}}}"#;
    for kind in ["application/json", "Application/Merge-Patch+JSON; charset=utf-8"] {
        let (status, answer) = patch_as(&weir.path, kind, body).await;
        assert_eq!((status.as_str(), &answer), ("200", &before));
    }
    weir.stop().await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let weir = start(Twin::default());
    let before = Client::at(&weir.path).config().await.unwrap();
    let kind = "application/merge-patch+json";
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for (kind, body, status, error) in [
        (
            "application/x-www-form-urlencoded",
            "{}",
            "415",
            "content-type \"application/x-www-form-urlencoded\" is no patch; valid: \
             application/merge-patch+json, application/json",
        ),
        (
            kind,
            "{\"ports\": ",
            "400",
            "the body is no JSON: EOF while parsing a value at line 1 column 10",
        ),
        (kind, "", "400", "the body is no JSON: EOF while parsing a value at line 1 column 0"),
        (kind, &long, "413", "a patch has at most 1048576 bytes"),
        (
            kind,
            r#"{"scheduler":{"policy":"fifo"},"ports":{"v1":{"weight":"4"}}}"#,
            "422",
            "ports.v1.weight: \"4\" is not a whole number; valid: a whole number from 1 to 1000",
        ),
        (
            kind,
            r#"{"ports":{"v1":{"min-rate":"11Mbit"}}}"#,
            "422",
            "ports.nic0.rate: 10Mbit is less than the sum of the other ports' min-rate, 11Mbit; \
             valid: at least 11Mbit",
        ),
        (
            kind,
            r#"{"ports":{"v1":{"weight":4},"v9":{"weight":4}}}"#,
            "404",
            "ports.v9: there is no such port; valid: a port that `weir port list` shows, or a \
             role for a new one",
        ),
    ] {
        let (answered, answer) = patch_as(&weir.path, kind, body).await;
        assert_eq!((answered.as_str(), answer["error"].as_str()), (status, Some(error)));
        assert_eq!(Client::at(&weir.path).config().await.unwrap(), before, "{body}");
    }
    let refused = Client::at(&weir.path).patch(&json!({"ports": 3})).await.unwrap_err();
    assert!(refused.to_string().starts_with("weir refused: ports: 3 is not a table"), "{refused}");
    weir.stop().await;
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_carried_to_its_end() {
    let twin = Twin { stuck: true, ..Twin::default() };
    let (go_on, plan) = (Arc::clone(&twin.reached), Arc::clone(&twin.plan));
    let weir = start(twin);
    let patch = r#"{"ports":{"v1":{"weight":4}}}"#;
    let (status, answer) = patch_as(&weir.path, "application/json", patch).await;
    assert_eq!(status, "504");
    assert!(answer["error"].as_str().unwrap().contains("goes on"), "{answer}");
    assert_eq!(plan.lock().unwrap().port_named("v1").weight, 1);
    go_on.notify_one();
    tokio::time::timeout(Duration::from_secs(10), async {
        while plan.lock().unwrap().port_named("v1").weight != 4 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    weir.stop().await;
}
