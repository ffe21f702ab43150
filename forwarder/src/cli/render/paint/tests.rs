use super::*;

#[test]
fn only_what_wants_attention_is_coloured_and_only_if_it_shall_be() {
    let on = Paint { on: true };
    assert_eq!(on.paint(Tone::Bad, "NO"), "\x1b[1;31mNO\x1b[0m");
    assert_eq!(on.paint(Tone::of_state(State::Gone), "gone"), "\x1b[33mgone\x1b[0m");
    assert_eq!(on.paint(Tone::of_state(State::Up), "up"), "up");
    assert_eq!(on.paint(Tone::of_losses(0), "0"), "0");
    assert_eq!(on.paint(Tone::Warn, ""), "");
    assert_eq!(Paint::PLAIN.paint(Tone::Bad, "NO"), "NO");
    // Tests have no terminal as standard output, or it is captured.
    assert!(!Paint::default().on);
}

#[test]
fn colours_take_no_room() {
    let text = format!("a {} b", Paint { on: true }.paint(Tone::Warn, "äö"));
    assert_eq!((len(&text), len("plain")), (6, 5));
}
