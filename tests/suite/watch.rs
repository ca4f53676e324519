//! `watch` in a real terminal: it is drawn, follows the terminal's size, says when a meter dies and returns, and leaves
//! the terminal as it was.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use telegraf_pm500::simulator::Options;

use crate::common::peer::scratch;
use crate::common::simulated::Simulated;

/// The program.
const BINARY: &str = env!("CARGO_BIN_EXE_telegraf-pm500");
/// Longest wait for something on the screen; only a broken program reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal of its own with a shell in it; ends with its owner.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn start(test: &str, columns: u16) -> Terminal {
        let terminal = Terminal { socket: scratch(test).join("tmux") };
        let columns = columns.to_string();
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            "40",
            "PS1='ready> ' sh",
        ]);
        terminal.wait("a prompt", |screen| screen.contains("ready>"));
        terminal
    }

    #[track_caller]
    fn tmux(&self, arguments: &[&str]) -> String {
        let ended =
            Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().expect("tmux starts");
        assert!(ended.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).expect("the screen is text")
    }

    fn type_in(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < until, "never seen: {what}\n{screen}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

#[test]
fn watch_is_drawn_follows_the_terminal_and_the_meters_and_leaves_no_trace() {
    let mut meters = Simulated::with(Options { count: 2, ..Options::default() });
    let (first, second) =
        (format!("press-4={}", meters.eip(0)), format!("press-5=modbus://{}", meters.modbus(1)));
    let terminal = Terminal::start("watch", 100);
    terminal.type_in(&format!("{BINARY} watch --interval 500ms {first} {second}"));
    terminal.wait("both meters, and the values of one", |screen| {
        screen.contains("2 of 2 meters up") && screen.contains("Voltage L-N") && screen.contains("Phasors")
    });

    terminal.tmux(&["resize-window", "-x", "60", "-y", "24"]);
    let narrow = terminal.wait("60 columns", |screen| {
        screen.contains("Voltage L-N") && screen.lines().any(|line| line.chars().count() == 60)
    });
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    // Unbalance is left out first, and no number is cut.
    let cells = |name: &str| {
        narrow.lines().find(|line| line.starts_with(name)).map(|line| line.split_whitespace().count())
    };
    assert!(narrow.contains("SYSTEM") && !narrow.contains("UNBALANCE"), "{narrow}");
    assert_eq!(cells("Reactive power"), Some(6), "{narrow}");
    terminal.tmux(&["resize-window", "-x", "100", "-y", "40"]);
    terminal.wait("the wide screen again", |screen| screen.contains("Phasors"));

    meters.stop(1);
    terminal.wait("one meter down", |screen| screen.contains("1 of 2 meters up"));
    meters.restart(1);
    terminal.wait("both meters again", |screen| screen.contains("2 of 2 meters up"));

    terminal.tmux(&["send-keys", "n"]);
    terminal
        .wait("the second meter", |screen| screen.lines().skip(4).any(|line| line.starts_with("press-5 ")));
    terminal.tmux(&["send-keys", "q"]);
    let after =
        terminal.wait("the prompt", |screen| !screen.contains("Voltage L-N") && screen.contains("ready>"));
    assert!(!after.contains("E! "), "{after}");
    terminal.type_in("echo status $?");
    terminal.wait("a good exit code", |screen| screen.lines().any(|line| line == "status 0"));
}

#[test]
fn watch_ends_with_its_terminal() {
    let meters = Simulated::start(1);
    let terminal = Terminal::start("watch_hangup", 100);
    let noted = scratch("watch_hangup_process").join("pid");
    terminal.type_in(&format!("sh -c 'echo $$ >{}; exec {BINARY} watch {}'", noted.display(), meters.eip(0)));
    terminal.wait("the meter", |screen| screen.contains("Voltage L-N"));
    let process = std::fs::read_to_string(&noted).expect("the shell has noted its process");
    let runs = || {
        let program = std::fs::read(Path::new("/proc").join(process.trim()).join("cmdline"));
        program.is_ok_and(|words| !words.is_empty())
    };
    assert!(runs());
    terminal.tmux(&["kill-server"]);
    let until = Instant::now() + DEADLINE;
    while runs() {
        assert!(Instant::now() < until, "it goes on without a terminal");
        thread::sleep(Duration::from_millis(50));
    }
}
