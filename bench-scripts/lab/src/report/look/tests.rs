use std::collections::BTreeSet;

use super::*;

fn looks(peers: &[(&str, &str)]) -> Looks {
    let from = "[[peer]]\nname = \"weir\"";
    let all: String = peers
        .iter()
        .map(|(name, kind)| format!("[[peer]]\nname = \"{name}\"\nkind = \"{kind}\"\n"))
        .collect();
    let text = crate::report::tests::fake::SAMPLE;
    let (head, rest) = text.split_once(from).unwrap();
    let rest = rest.split_once("[vary]").unwrap().1;
    Looks::of(&toml::from_str(&format!("{head}{all}[vary]{rest}")).unwrap())
}

#[test]
fn weir_is_blue_and_no_two_peers_look_alike() {
    let peers = [
        ("bridge", "bridge"),
        ("fifo", "weir"),
        ("weir", "weir"),
        ("eager", "weir"),
        ("htb", "htb"),
        ("second", "bridge"),
        ("linux", "linux"),
    ];
    let looks = looks(&peers);
    assert_eq!(looks.peer("weir", 0).colour, Colour::Blue);
    assert_eq!(looks.peer("bridge", 0).colour, Colour::Vermilion);
    let mut colours: Vec<_> = peers.map(|(name, _)| looks.peer(name, 0).colour).into();
    colours.sort();
    colours.dedup();
    assert_eq!(colours.len(), peers.len());
}

#[test]
fn who_is_judged_is_weir_where_nobody_is_called_so() {
    let text = crate::report::tests::fake::SAMPLE
        .replace("name = \"weir\"", "name = \"adaptive\"")
        .replace("peer = \"weir\"", "peer = \"adaptive\"")
        .replacen("[[peer]]", "[[peer]]\nname = \"fixed\"\nkind = \"weir\"\n[[peer]]", 1);
    let looks = Looks::of(&toml::from_str(&text).unwrap());
    assert_eq!(looks.peer("adaptive", 0).colour, Colour::Blue);
    assert_eq!(looks.peer("fixed", 0).colour, Colour::Sky);
}

#[test]
fn every_colour_can_be_told_from_the_others() {
    assert_eq!(ALL.iter().map(|colour| colour.2).collect::<BTreeSet<_>>().len(), ALL.len());
    assert_eq!(ALL.iter().map(|colour| colour.3).collect::<BTreeSet<_>>().len(), ALL.len());
}

/// WCAG's relative luminance.
fn luminance(rgb: u32) -> f64 {
    let part = |shift: u32| {
        let value = f64::from((rgb >> shift) & 255) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
}

fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_and_curves_stand_out_from_the_ground_in_both_themes() {
    let card = ALL.iter().find(|colour| colour.0 == Colour::Card).unwrap();
    for colour in &ALL {
        let need = match colour.0 {
            Colour::Ink | Colour::Soft => 4.5,
            Colour::Card | Colour::Ground | Colour::Grid | Colour::Axis | Colour::Sky => {
                continue;
            }
            _ => 3.0,
        };
        assert!(contrast(colour.2, card.2) >= need, "{} on light", colour.1);
        assert!(contrast(colour.3, card.3) >= need, "{} on dark", colour.1);
    }
}
