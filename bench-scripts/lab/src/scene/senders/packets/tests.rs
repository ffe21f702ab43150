use super::*;

fn both(words: &str) -> (Scene, Traffic) {
    let text = format!(
        "vms = 1\nwindow = [{{ name = 'w', from = 0, to = 1 }}]
             traffic = [{{ kind = 'flood', from = 'vm1', to = 'uplink', {words} }}]"
    );
    let scene: Scene = toml::from_str(&text).unwrap();
    let traffic = scene.traffic[0].clone();
    (scene, traffic)
}

fn length(words: &str) -> Option<u32> {
    let (scene, traffic) = both(words);
    frame(&traffic, &scene).ok()
}

#[test]
fn frames_have_the_length_that_the_file_gives_them() {
    assert_eq!(length("frame = 64"), Some(64));
    assert_eq!(length("size = 36"), Some(78));
    assert_eq!(length("size = 36, family = 'v6'"), Some(98));
    assert_eq!(length("start = 0"), Some(1514));
    assert_eq!(length("frame = 41"), None);
    assert_eq!(length("size = 1473"), None);
    assert_eq!(length("size = 1452, family = 'v6'"), Some(1514));
}

#[test]
fn rates_are_of_each_connection() {
    let (scene, traffic) = both("frame = 1250, mbit = 10, connections = 3");
    assert_eq!(rate(&traffic, 1.0), Rate::Bits { bits_per_s: 10_000_000 });
    assert_eq!(rate_mbit(&traffic, &scene), Some(30.0));
    let (scene, traffic) = both("frame = 125, pps = 1000");
    assert_eq!((rate(&traffic, 2.0), rate_mbit(&traffic, &scene)), (Rate::pps(2000), Some(1.0)));
    let (scene, traffic) = both("frame = 125");
    assert_eq!((rate(&traffic, 1.0), rate_mbit(&traffic, &scene)), (Rate::Max, None));
}
