package camsim

import (
	"errors"
	"strings"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"lares/nvr"
)

var errStopped = errors.New("the stream is not open")

// handler answers what clients ask. It is a type of its own to keep the
// callbacks out of the camera's methods.
type handler struct{ c *Camera }

// OnConnOpen implements gortsplib.ServerHandlerOnConnOpen.
func (h handler) OnConnOpen(ctx *gortsplib.ServerHandlerOnConnOpenCtx) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	h.c.conns[ctx.Conn] = struct{}{}
}

// OnConnClose implements gortsplib.ServerHandlerOnConnClose.
func (h handler) OnConnClose(ctx *gortsplib.ServerHandlerOnConnCloseCtx) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	delete(h.c.conns, ctx.Conn)
}

// OnPacketsLost implements gortsplib.ServerHandlerOnPacketsLost: nothing to say.
func (handler) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx) {}

// OnDecodeError implements gortsplib.ServerHandlerOnDecodeError: nothing to say.
func (handler) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx) {}

// OnStreamWriteError implements gortsplib.ServerHandlerOnStreamWriteError. A
// client that does not keep up would miss packets without a word; it is cut off.
func (handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	ctx.Session.Close()
}

// OnRequest implements gortsplib.ServerHandlerOnRequest. Behind a foreign
// description the tracks are found by the order in which they are set up, and
// the stream by nothing but the beginning of the path.
func (h handler) OnRequest(conn *gortsplib.ServerConn, req *base.Request) {
	if req.URL == nil || h.c.misbehaviour().Description == "" {
		return
	}
	path := "/" + h.quality(req.URL.Path).String()
	switch req.Method {
	case base.Setup:
		track := "0"
		if conn.UserData() != nil {
			track = "1"
		}
		conn.SetUserData(true)
		path += "/trackID=" + track
	case base.Play, base.Pause, base.Teardown:
	default:
		return
	}
	req.URL.RawQuery, req.URL.RawPath, req.URL.Path = "", "", path
}

// OnDescribe implements gortsplib.ServerHandlerOnDescribe.
func (h handler) OnDescribe(
	ctx *gortsplib.ServerHandlerOnDescribeCtx,
) (*base.Response, *gortsplib.ServerStream, error) {
	if !h.c.authorized(ctx.Conn, ctx.Request) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if text := h.c.misbehaviour().Description; text != "" {
		ctx.Conn.SetUserData(nil)
		return &base.Response{StatusCode: base.StatusOK, Body: []byte(text)}, nil, nil
	}
	stream := h.stream(ctx.Path)
	if stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, errStopped
	}
	return &base.Response{StatusCode: base.StatusOK}, stream, nil
}

// OnSetup implements gortsplib.ServerHandlerOnSetup.
func (h handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	// The URL was rewritten behind a foreign description, and with it what a digest covers.
	if h.c.misbehaviour().Description == "" && !h.c.authorized(ctx.Conn, ctx.Request) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	stream := h.stream(ctx.Path)
	if stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, errStopped
	}
	return &base.Response{StatusCode: base.StatusOK}, stream, nil
}

// OnPlay implements gortsplib.ServerHandlerOnPlay.
func (h handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if p := h.c.paths[h.quality(ctx.Path)]; p != nil {
		p.clientJoined()
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (h handler) quality(path string) nvr.Quality {
	if strings.HasPrefix(path, "/"+nvr.Sub.String()) {
		return nvr.Sub
	}
	return nvr.Main
}

func (h handler) stream(path string) *gortsplib.ServerStream {
	for q, p := range h.c.paths {
		if strings.Trim(path, "/") == q.String() {
			return p.current()
		}
	}
	return nil
}

// authorized checks the password and counts the wrong ones.
func (c *Camera) authorized(conn *gortsplib.ServerConn, req *base.Request) bool {
	if c.cfg.Auth == NoAuth || conn.VerifyCredentials(req, c.cfg.User, c.cfg.Password.Reveal()) {
		return true
	}
	if _, offered := req.Header["Authorization"]; offered {
		c.mu.Lock()
		c.wrong[hostOf(conn.NetConn().RemoteAddr())]++
		c.mu.Unlock()
	}
	return false
}
