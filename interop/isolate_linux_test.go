//go:build interop

package interop_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

const namespacesRefused = `these tests run in namespaces of their own, with no network but loopback and an empty /var/opt, and this system refuses to make them: %w
Do one of these:
  run them as root
  allow user namespaces:      sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1
  on Ubuntu 24.04 and later:  sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
  in a container:             give it --cap-add SYS_ADMIN`

// runAlone runs this test binary again, with the same arguments, in namespaces of
// its own, and returns its exit status.
func runAlone(env []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The parent-death signal is sent when the thread that forked ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var attempts []*syscall.SysProcAttr
	const alone = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	if os.Geteuid() == 0 {
		attempts = append(attempts, &syscall.SysProcAttr{Cloneflags: alone})
	}
	attempts = append(attempts, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | alone,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	})
	var errs []error
	for _, attr := range attempts {
		attr.Pdeathsig = syscall.SIGKILL
		cmd := exec.Command(self, os.Args[1:]...)
		cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = os.Stdout, os.Stderr, env, attr
		if err := cmd.Start(); err != nil {
			errs = append(errs, err)
			continue
		}
		err := cmd.Wait()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
			return exit.ExitCode(), nil
		}
		if err != nil {
			return 1, err
		}
		return 0, nil
	}
	return 1, fmt.Errorf(namespacesRefused, errors.Join(errs...))
}

// endWithThis lets cmd end when this process does.
func endWithThis(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

// isolated brings loopback up, makes sure that there is nothing else, and puts an
// empty directory in the place of /var/opt: clients look for the keys of Azure Arc's
// agent nowhere else.
func isolated() error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf(namespacesRefused, err)
	}
	if !onlyLoopback() {
		return fmt.Errorf(namespacesRefused, errors.New("there are other interfaces than loopback, or loopback is down"))
	}
	// What is mounted here is not to be seen from outside.
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf(namespacesRefused, os.NewSyscallError("mount", err))
	}
	if err := syscall.Mount("none", "/var/opt", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, ""); err != nil {
		return fmt.Errorf(namespacesRefused, fmt.Errorf("mounting an empty /var/opt: %w", err))
	}
	return nil
}

// onlyLoopback reports whether loopback is up and nothing else is.
func onlyLoopback() bool {
	all, err := net.Interfaces()
	if err != nil {
		return false
	}
	loopback := false
	for _, i := range all {
		switch up := i.Flags&net.FlagUp != 0; {
		case i.Flags&net.FlagLoopback != 0:
			loopback = loopback || up
		case up:
			return false
		}
	}
	return loopback
}

// loopbackUp is ip link set lo up (netdevice(7)).
func loopbackUp() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	req := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(req.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("bringing loopback up: %w", errno)
	}
	return nil
}
