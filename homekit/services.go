package homekit

import (
	"log/slog"
	"net/http"

	"github.com/brutella/hap"
	"github.com/brutella/hap/characteristic"
	"github.com/brutella/hap/service"

	"lares/homekit/guard"
	"lares/nvr"
)

// newName names a service, where the accessory's own name says too little.
func newName(name string) *characteristic.C {
	c := characteristic.NewName()
	c.SetValue(name)
	return c.C
}

// newMicrophone makes the service for sound. It has no volume: phones do that. A
// camera without this service is hidden by iOS 26, so it is there even where a
// camera is silent.
func (a *accessory) newMicrophone() *service.S {
	s := service.New(service.TypeMicrophone)
	a.mute = characteristic.NewMute()
	s.AddC(a.mute.C)
	return s
}

// newPrivacySwitch turns privacy mode on. It does not lift it: who holds a phone
// of the house is not always who may.
func (a *accessory) newPrivacySwitch() *service.Switch {
	s := service.NewSwitch()
	s.AddC(newName("Privacy"))
	s.On.SetValue(a.house.isPrivate(a.camera))
	s.On.SetValueRequestFunc = func(value any, r *http.Request) (any, int) {
		if on, ok := value.(bool); !ok || !on {
			return nil, hap.JsonStatusInsufficientPrivileges
		}
		pairing := a.house.principal(guard.Controller(r))
		err := a.house.cfg.Privacy.SetPrivate(r.Context(), nvr.PrivacyRequest{Camera: a.camera, On: true, By: pairing, Addr: hostOf(r.RemoteAddr)})
		if err != nil {
			// Privacy takes effect first; what failed is keeping it.
			a.log.Error("privacy mode from the Home app", slog.Any("error", err))
		}
		return nil, 0
	}
	return s
}

// showPrivacy shows what privacy mode is.
func (a *accessory) showPrivacy() {
	if a.private != nil {
		on := a.house.isPrivate(a.camera)
		a.guard.Update(func() { a.private.On.SetValue(on) })
	}
}
