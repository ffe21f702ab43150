use super::*;

#[test]
fn a_rate_of_frames_is_less_of_payload() {
    assert!((payload_of_frame(Family::V4, 1500) - 1448.0 / 1514.0).abs() < 1e-9);
    assert!((payload_of_frame(Family::V6, 1500) - 1428.0 / 1514.0).abs() < 1e-9);
}
