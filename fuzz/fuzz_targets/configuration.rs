//! Configuration: any text is either understood or has problems that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tagwright::config;

fuzz_target!(|text: &str| {
    match config::parse("input.yaml", text) {
        Ok(configuration) => {
            assert!(
                configuration.notices.iter().all(|notice| !notice.to_string().contains('\n')),
                "{:?}",
                configuration.notices
            );
            for automation in &configuration.automations {
                assert!(!automation.id.to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
